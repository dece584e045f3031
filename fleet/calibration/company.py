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

    @property
    def span(self) -> tuple[float, float] | None:
        """From when to when it started, in seconds since boot; None where its lines do not tell."""
        began, ended = self.startup.began, self.startup.ended
        return None if began is None or ended is None else (began, ended)


def company(
    name: str, occupants: Mapping[str, Occupant], reading: HostReading | None, *, counts_neighbours: bool
) -> str:
    """Who was in the way of a start, in a few words; empty: nobody we know of.

    In the way is another start on one of its GPUs at the same time, and a process without a log that came shortly
    before it or meanwhile. What sits there unchanged is not, unless the version counts what others hold as its own
    (``counts_neighbours``). Where its own lines carry no time, everybody is.
    """
    start = occupants[name]
    others = {other: occupant for other, occupant in occupants.items() if other != name and occupant.gpus & start.gpus}
    timed = {other: occupant.span for other, occupant in others.items() if occupant.span}
    for other, (came, settled) in timed.items():
        if _in_the_way(start.span, came, settled, counts_neighbours):
            return f"{other} was starting there" if not counts_neighbours else f"{other} was there"
    known = {start.owner, *(others[other].owner for other in timed)}
    for owner, since in _processes(reading, start.gpus):
        if owner not in known and _in_the_way(start.span, since, since + LOADING_SECONDS, counts_neighbours):
            return f"{owner or 'a process of no service'} was there"
    return ""


def _in_the_way(span: tuple[float, float] | None, came: float, settled: float, counts_neighbours: bool) -> bool:
    if span is None:
        return True
    began, ended = span
    return came <= ended and (counts_neighbours or settled >= began)


def _processes(reading: HostReading | None, gpus: frozenset[int]) -> Iterator[tuple[str | None, float]]:
    """(who runs it, seconds from boot to its start) of every process that holds memory on these GPUs."""
    if reading is None:
        return
    addresses = [gpu.identity.pci for gpu in reading.gpus if gpu.identity.hip_index in gpus]
    for process in reading.processes:
        if any(process.on(pci) for pci in addresses):
            yield process.owner, process.start_ticks / HERTZ
