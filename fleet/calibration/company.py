"""Who else may have changed the memory of a start's GPUs while it measured what was free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.readings import HostReading
from fleet.startup import Startup

HERTZ = 100
"""Ticks of a second in a process's start time: USER_HZ, the same on every Linux there is."""
LOADING_SECONDS = 300.0
"""How long a program whose log says nothing may still be loading after it was started."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """A start, the GPUs it is on, and how its processes name who runs them."""

    startup: Startup
    gpus: frozenset[int]
    """HIP indices."""
    owner: str


def company(
    name: str, occupants: Mapping[str, Occupant], reading: HostReading | None, *, counts_neighbours: bool
) -> str:
    """Who was in the way of a start, in a few words; empty: nobody we know of.

    In the way is another start on one of its GPUs at the same time, and a process without a log that came shortly
    before it or meanwhile. What sits there unchanged is not, unless the version counts what others hold as its own
    (``counts_neighbours``). A start whose lines carry no time overlaps with every other.
    """
    start = occupants[name]
    for other, occupant in occupants.items():
        if other != name and occupant.gpus & start.gpus:
            if _overlap(start.startup, occupant.startup):
                return f"{other} started at the same time"
            if counts_neighbours and _before(occupant.startup, start.startup):
                return f"{other} was there"
    known = {occupant.owner for occupant in occupants.values()}
    for owner, since in _processes(reading, start.gpus):
        if owner not in known and _in_the_way(start.startup, since, counts_neighbours):
            return f"{owner or 'a process of no service'} was there"
    return ""


def _overlap(one: Startup, other: Startup) -> bool:
    if one.began is None or one.ended is None or other.began is None or other.ended is None:
        return True
    return one.began <= other.ended and other.began <= one.ended


def _before(one: Startup, other: Startup) -> bool:
    return one.ended is not None and other.began is not None and one.ended < other.began


def _in_the_way(start: Startup, since: float, counts_neighbours: bool) -> bool:
    if start.began is None or start.ended is None:
        return True
    return since <= start.ended and (counts_neighbours or since >= start.began - LOADING_SECONDS)


def _processes(reading: HostReading | None, gpus: frozenset[int]) -> Iterator[tuple[str | None, float]]:
    """(who runs it, seconds from boot to its start) of every process that holds memory on these GPUs."""
    if reading is None:
        return
    addresses = [gpu.identity.pci for gpu in reading.gpus if gpu.identity.hip_index in gpus]
    for process in reading.processes:
        if any(process.on(pci) for pci in addresses):
            yield process.owner, process.start_ticks / HERTZ
