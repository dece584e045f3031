"""What podman of older versions does not do: a change that needs it is refused before anything stops."""

from __future__ import annotations

import re

from fleet.errors import GpudeckError

DROP_INS = (5, 0)
"""The first version whose Quadlet reads drop-ins of a ``.container`` (podman's release notes of 5.0.0)."""
UPDATES_RESTARTS = (5, 1)
"""The first version whose ``update`` takes ``--restart`` (podman's release notes of 5.1.0)."""
_VERSION = re.compile(r"(?:podman version |Podman Engine:?\s+Version:\s+)(\d+)\.(\d+)")
"""What ``podman --version`` and ``podman version`` say, and ``docker version`` where podman answers it."""


def obstacle(said: str, needed: tuple[int, int], why: str, way_out: str) -> GpudeckError | None:
    """The refusal where a host said that its podman is older than needed; None where it did not.

    ``why`` goes on after "podman X.Y": what it does not do.
    """
    match = _VERSION.search(said)
    if match is None or (int(match[1]), int(match[2])) >= needed:
        return None
    return GpudeckError(f"podman {match[1]}.{match[2]} {why}; {needed[0]}.{needed[1]} does.", way_out)
