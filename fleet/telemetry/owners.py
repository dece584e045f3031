"""Who manages a process, by the control group it runs in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.text import clean

_USER_MANAGER = re.compile(r"user@\d+\.service")
_POD = re.compile(r"pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?")
_CONTAINER = re.compile(
    r"(?:(?P<runtime>docker|libpod(?:-payload)?|cri-containerd|crio)-)?(?P<id>[0-9a-f]{64})(?:\.scope)?"
)
_JOB = re.compile(r"job_(?P<job>\d+)")
_USER = re.compile(r"user-(?P<uid>\d+)\.slice")
_CONTROLLERS = ("", "name=systemd", "memory", "pids", "devices")
"""Hierarchies that tell, best first: cgroup v2's only one has no name, v1 has one per controller."""


def owner(cgroup: str) -> str | None:
    """Who runs a process, services as the fleet file writes them.

    Args:
        cgroup: The lines of ``/proc/PID/cgroup``: ``0::/system.slice/NAME.service``.

    Returns:
        ``kubernetes:POD_UID``, ``slurm:JOB``, ``docker:ID`` or ``podman:ID`` with all 64 digits,
        ``systemd:NAME.service``, ``systemd-user:NAME.service`` for a unit of a user's own manager, ``session:UID``
        for what that user started by hand, or None for nothing we know. A container that a unit runs is the unit's.
    """
    paths = {}
    for line in cgroup.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update(dict.fromkeys(controllers.split(","), path))
    owners = (_owner(paths[name].split("/")) for name in _CONTROLLERS if name in paths)
    return next((found for found in owners if found), None)


def _owner(groups: list[str]) -> str | None:
    if any(group.startswith("kubepods") for group in groups):  # maybe below the unit of the container runtime
        return next(_pod(groups), None)
    tellers = (_slurm, _container_outside_units, _unit, _session)
    return next((found for tell in tellers for found in tell(groups)), None)


def _pod(groups: list[str]) -> Iterator[str]:
    """Where systemd names the group, ``-`` in the pod's id is written ``_``."""
    yield from (f"kubernetes:{found['uid'].replace('_', '-')}" for group in groups if (found := _POD.search(group)))


def _slurm(groups: list[str]) -> Iterator[str]:
    if any(group.startswith("slurm") for group in groups):
        yield from (f"slurm:{found['job']}" for group in groups if (found := _JOB.fullmatch(group)))


def _container_outside_units(groups: list[str]) -> Iterator[str]:
    for place, group in enumerate(groups):
        found = _CONTAINER.fullmatch(group)
        if found is None:
            continue
        runtime = found["runtime"] or (groups[place - 1] if place else "")
        if runtime.startswith("docker"):
            yield f"docker:{found['id']}"
        elif runtime.startswith("libpod") and not any(_is_unit(outer) for outer in groups[:place]):
            yield f"podman:{found['id']}"


def _unit(groups: list[str]) -> Iterator[str]:
    manager = "systemd"
    for group in groups:
        if _USER_MANAGER.fullmatch(group):
            manager = "systemd-user"
        elif _is_unit(group):
            # systemd puts _ before a name that would clash with one of the kernel's files
            yield f"{manager}:{clean(group.removeprefix('_'))}"


def _is_unit(group: str) -> bool:
    return group.endswith(".service") and not _USER_MANAGER.fullmatch(group)


def _session(groups: list[str]) -> Iterator[str]:
    yield from (f"session:{found['uid']}" for group in groups if (found := _USER.fullmatch(group)))


def owner_text(owner: str | None) -> str:
    """Who runs a process, for people; empty where nobody knows."""
    kind, _, name = (owner or "").partition(":")
    match kind:
        case "docker" | "podman":
            return f"{kind} container {name[:12]}"
        case "kubernetes":
            return f"pod {name}"
        case "slurm":
            return f"Slurm job {name}"
        case "session":
            return f"a session of user {name}"
        case "systemd-user":
            return f"{name} (a user's)"
    return name
