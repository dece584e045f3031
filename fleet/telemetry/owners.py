"""Who manages a process, by the control group it runs in."""

from __future__ import annotations

import re

from fleet.text import clean

_USER_MANAGER = re.compile(r"user@\d+\.service")
_CONTROLLERS = ("", "name=systemd", "memory", "pids", "devices")
"""Hierarchies that tell, best first: cgroup v2's only one has no name, v1 has one per controller."""


def owner(cgroup: str) -> str | None:
    """The service that runs a process, as the fleet file writes it.

    Args:
        cgroup: The lines of ``/proc/PID/cgroup``: ``0::/system.slice/NAME.service``.

    Returns:
        ``systemd:NAME.service``, ``systemd-user:NAME.service`` for a unit of a user's own manager, or None: a
        login, a container, or nothing we know.
    """
    paths = {}
    for line in cgroup.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update(dict.fromkeys(controllers.split(","), path))
    owners = (_unit(paths[name]) for name in _CONTROLLERS if name in paths)
    return next((found for found in owners if found), None)


def _unit(path: str) -> str | None:
    groups = path.split("/")
    if any(group.startswith("kubepods") for group in groups):
        return None  # pods may be nested below the unit of the container runtime
    manager = "systemd"
    for group in groups:
        if _USER_MANAGER.fullmatch(group):
            manager = "systemd-user"
        elif group.endswith(".service"):
            # systemd puts _ before a name that would clash with one of the kernel's files
            return f"{manager}:{clean(group.removeprefix('_'))}"
    return None
