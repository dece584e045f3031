"""Placement as a problem: models of known sizes, GPUs with room, and what a good answer costs least of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from fleet.inventory.policy import Goals

FITTING = 0.1
"""What each step to a smaller item costs, in restarts."""


class Slot(NamedTuple):
    """GPUs of one host that one model can have."""

    host: int
    """Position among the problem's hosts."""
    gpus: tuple[int, ...]
    """Ascending."""
    rung: int = 0
    """How far down its `Item.smaller` it goes there; 0 = as it is."""


class Need(NamedTuple):
    """What one model takes, in bytes; one figure for each GPU of a slot."""

    peak: tuple[int, ...]
    """While it computes a full batch."""
    high: tuple[int, ...]
    """The same at the high end of the estimate."""
    start: int = 0
    """Free bytes its start takes on a GPU beyond its own peak, its neighbours at theirs."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with room on each GPU, in bytes; nothing, not even what takes none, goes where it is negative."""

    name: str
    kind: str
    """Hosts of one kind take a model with the same need."""
    room: tuple[int, ...]
    limits: tuple[int, ...] = ()
    """What each GPU may be filled to at its peak, tight as it then is, where that is more than its room."""

    def limit(self, gpu: int) -> int:
        """What a GPU may be filled to at its peak."""
        return self.limits[gpu] if self.limits else self.room[gpu]


@dataclass(frozen=True, slots=True)
class Item:
    """A model to place."""

    name: str
    gpus: int
    """How many it takes."""
    needs: Mapping[str, Need]
    """By kind of host; it cannot run on others."""
    home: Slot | None = None
    """Where it runs now."""
    smaller: tuple[Mapping[str, Need], ...] = ()
    """What it takes, by kind of host, the more of what it has is given up; none where it stays as it is."""
    need_at_home: Need | None = None
    """Beside its present neighbours, where that differs from what the kind of host says."""
    restart: float = 1.0
    """What moving it away from home costs."""
    fixed: bool = False
    """Whether it must stay at home."""
    apart: frozenset[str] = frozenset()
    """Of the items of one host at most one may have each of these: ports, services, copies of one model."""
    role: str | None = None
    generates: bool = False
    """Whether it writes text, which takes memory bandwidth."""


@dataclass(frozen=True, slots=True)
class Together:
    """Items that were found not to get along on one GPU, whatever their sizes say."""

    host: int
    gpu: int
    items: frozenset[int]


Assignment = tuple[Slot | None, ...]
"""The slot of each item, in the problem's order; None where it has none."""


class Score(NamedTuple):
    """How good an answer is: smaller is better, the first figure that differs decides."""

    unplaced: int
    tight: int
    """GPUs that may run out at the high end of the estimates."""
    restarts: float
    """Weighted, and with them what the goals that are missed count for."""
    unevenness: float
    """The fullest GPU's fill in percent, and one for each pair of neighbours better kept apart."""


@dataclass(frozen=True)
class Problem:
    """Which item goes where."""

    hosts: tuple[Host, ...]
    items: tuple[Item, ...]
    cuts: tuple[Together, ...] = ()
    goals: Goals = field(default_factory=Goals)
    _slots: dict[tuple[int, int], tuple[Slot, ...]] = field(default_factory=dict, compare=False, repr=False)

    def slots(self, item: int, host: int) -> tuple[Slot, ...]:
        """The slots of a host an item can have: aligned blocks where its size is a power of two, else every run.

        Its home is among them however it lies.
        """
        this = self.items[item]
        if this.fixed:
            return (this.home,) if this.home and this.home.host == host else ()
        if self.hosts[host].kind not in this.needs:
            return ()
        key = (host, this.gpus)
        if key not in self._slots:
            self._slots[key] = _runs(host, len(self.hosts[host].room), this.gpus)
        found = self._slots[key]
        if this.home is not None and this.home.host == host and this.home not in found:
            found = (*found, this.home)
        rungs = [rung for rung, needs in enumerate(this.smaller, 1) if self.hosts[host].kind in needs]
        return (*found, *(slot._replace(rung=rung) for rung in rungs for slot in found))

    def need(self, item: int, slot: Slot) -> Need:
        """What an item takes in a slot."""
        this = self.items[item]
        if this.need_at_home is not None and slot == this.home:
            return this.need_at_home
        return (this.smaller[slot.rung - 1] if slot.rung else this.needs)[self.hosts[slot.host].kind]

    def cost(self, item: int, slot: Slot) -> float:
        """What giving it that slot costs, in restarts."""
        this = self.items[item]
        return (0.0 if this.home in (None, slot) else this.restart) + FITTING * slot.rung

    def moved(self, assignment: Assignment) -> list[int]:
        """The items that run now and shall run elsewhere, or smaller."""
        return [i for i, slot in enumerate(assignment) if slot and self.items[i].home not in (None, slot)]

    def with_cuts(self, cuts: Iterable[Together]) -> Problem:
        """The same problem with more that do not get along."""
        return replace(self, cuts=tuple(dict.fromkeys((*self.cuts, *cuts))))

    @cached_property
    def cuts_by_gpu(self) -> Mapping[tuple[int, int], tuple[frozenset[int], ...]]:
        """The sets that do not get along, by host and GPU."""
        found: defaultdict[tuple[int, int], list[frozenset[int]]] = defaultdict(list)
        for cut in self.cuts:
            found[cut.host, cut.gpu].append(cut.items)
        return MappingProxyType({key: tuple(sets) for key, sets in found.items()})

    @cached_property
    def spreads(self) -> bool:
        """Whether estimates have a spread, so that a GPU can be tight."""
        needs = (
            need
            for item in self.items
            for needs in (item.needs, *item.smaller)
            for need in (*needs.values(), item.need_at_home)
            if need
        )
        return any(host.limits for host in self.hosts) or any(need.high != need.peak for need in needs)


def _runs(host: int, size: int, gpus: int) -> tuple[Slot, ...]:
    step = gpus if gpus & (gpus - 1) == 0 else 1
    return tuple(Slot(host, tuple(range(first, first + gpus))) for first in range(0, size - gpus + 1, step))
