"""Greedy repair: keep what fits, take as little as possible off what is too full, find it the best other place.

Answers in milliseconds for a server, in half a second for hundreds of models and in two for thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from fleet.planning.rebalance.loads import Loads, score
from fleet.planning.rebalance.problem import Assignment, Problem, Slot

_FEWEST, _MOST = 2, 8
"""Repairs tried."""
_PLACINGS = 4000
"""Models placed in all of them together, between those."""
_SECONDS, _LOOKS_A_SECOND, _LOOKS_EACH = 2.0, 400_000, 100_000
"""How long room is made by exchanges at most, as slots looked at; and how many for one item."""


def repair(problem: Problem, seconds: float = _SECONDS) -> Assignment:
    """The best of a few repairs: one that spreads what it moves, one that packs it, then others by chance.

    Not settled: what found no place has none. The same problem gets the same answer on every machine, so the seconds
    are only about as long.
    """
    best, least = None, None
    patience = _Patience(round(min(seconds, _SECONDS) * _LOOKS_A_SECOND))
    attempts = max(_FEWEST, min(_MOST, _PLACINGS // max(1, len(problem.items))))
    for attempt in range(attempts):
        chance = Random(attempt) if attempt > 1 else None
        answer = _Repair(problem, patience, spreads=attempt % 2 == 0, chance=chance).answer()
        found = score(problem, answer)
        if least is None or found < least:
            best, least = answer, found
        if least[:3] == (0, 0, 0) or patience.left <= 0:
            break
    assert best is not None, "there is at least one attempt"
    return best


class _Patience:
    """How much longer to look for exchanges."""

    def __init__(self, looks: int) -> None:
        self.left = looks


class _Repair:
    """One repair under way."""

    def __init__(self, problem: Problem, patience: _Patience, *, spreads: bool, chance: Random | None) -> None:
        self._problem = problem
        self._spreads = spreads
        self._chance = chance
        self._patience = patience
        self._until = 0
        """What is left of the patience when that with one item ends."""
        self._loads = Loads(problem, [item.home for item in problem.items])
        self._weighs = problem.goals.beyond_restarts

    def answer(self) -> Assignment:
        pending = [i for i, slot in enumerate(self._loads.slots) if slot is None]
        for host, gpu in self._gpus():
            pending += self._relieved(host, gpu)
        for item in sorted(pending, key=self._urgency, reverse=True):
            self._place(item)
        self._return_home()
        return self._loads.assignment

    def _gpus(self) -> Iterator[tuple[int, int]]:
        return ((number, gpu) for number, host in enumerate(self._problem.hosts) for gpu in range(len(host.room)))

    def _size(self, item: int) -> int:
        this = self._problem.items[item]
        return max((sum(need.peak) for need in this.needs.values()), default=0)

    def _urgency(self, item: int) -> float:
        return self._size(item) * (self._chance.uniform(0.8, 1.25) if self._chance else 1.0)

    # taking off

    def _relieved(self, host: int, gpu: int) -> list[int]:
        """What was taken off a GPU so that it holds the rest."""
        taken = []
        while self._loads.wrong(host, gpu, comfortably=True):
            on = [item for item in self._loads.on[host][gpu] if not self._problem.items[item].fixed]
            if not on:
                break
            enough = [item for item in on if self._is_enough(item, host, gpu)]
            item = min(enough, key=self._cost_of_taking) if enough else max(on, key=self._size)
            self._loads.take(item)
            taken.append(item)
        return taken

    def _is_enough(self, item: int, host: int, gpu: int) -> bool:
        slot = self._loads.take(item)
        wrong = self._loads.wrong(host, gpu, comfortably=True)
        self._loads.put(item, slot)
        return not wrong

    def _cost_of_taking(self, item: int) -> tuple[float, int, int]:
        slot = self._loads.slots[item]
        assert slot is not None, "only what is placed is taken"
        others = sum(self._loads.wrong(slot.host, gpu, comfortably=True) for gpu in slot.gpus)
        return self._problem.items[item].restart, -others, self._size(item)

    # placing

    def _place(self, item: int) -> None:
        for comfortably in (True, False) if self._problem.spreads else (True,):
            slot = self._best(item, comfortably)
            if slot is not None:
                self._loads.put(item, slot)
                return
            self._until = max(0, self._patience.left - _LOOKS_EACH)
            if any(self._eject_for(item, comfortably, depth, frozenset({item})) for depth in (0, 1)):
                return

    def _slots(self, item: int) -> Iterator[Slot]:
        return (slot for host in range(len(self._problem.hosts)) for slot in self._problem.slots(item, host))

    def _best(self, item: int, comfortably: bool) -> Slot | None:
        best, found = None, None
        for slot in self._slots(item):
            self._patience.left -= 1
            left = self._loads.after(item, slot, comfortably=comfortably)
            if left is None:
                continue
            cost = self._problem.cost(item, slot) + (self._loads.more_missed(item, slot) if self._weighs else 0.0)
            rank = (cost, -left if self._spreads else left)
            if best is None or rank < best:
                best, found = rank, slot
        return found

    def _eject_for(self, item: int, comfortably: bool, depth: int, chain: frozenset[int]) -> bool:
        """Make room for an item by moving one other that has another place to go, or makes itself one in turn."""
        for slot in self._slots(item):
            short = [gpu for gpu in slot.gpus if self._is_short(item, slot, gpu)]
            inside = set.intersection(*(self._loads.on[slot.host][gpu] for gpu in short)) if short else set()
            movable = [other for other in inside - chain if not self._problem.items[other].fixed]
            for other in sorted(movable, key=lambda i: (self._problem.items[i].restart, self._size(i))):
                if self._patience.left <= self._until:
                    return False
                if self._swap(item, slot, other, comfortably, depth, chain | {other}):
                    return True
        return False

    def _is_short(self, item: int, slot: Slot, gpu: int) -> bool:
        size = self._problem.need(item, slot).peak[slot.gpus.index(gpu)]
        return self._loads.peak[slot.host][gpu] + size > self._problem.hosts[slot.host].limit(gpu)

    def _swap(self, item: int, slot: Slot, other: int, comfortably: bool, depth: int, chain: frozenset[int]) -> bool:
        former = self._loads.take(other)
        if self._loads.after(item, slot, comfortably=comfortably) is not None:
            self._loads.put(item, slot)
            elsewhere = self._best(other, comfortably)
            if elsewhere is not None:
                self._loads.put(other, elsewhere)
                return True
            if depth and self._eject_for(other, comfortably, depth - 1, chain):
                return True
            self._loads.take(item)
        self._loads.put(other, former)
        return False

    def _return_home(self) -> None:
        """Leave at home after all whatever fits there now."""
        for item in self._problem.moved(self._loads.assignment):
            home = self._problem.items[item].home
            former = self._loads.take(item)
            fits = home is not None and self._loads.after(item, home, comfortably=True) is not None
            self._loads.put(item, home if fits and home else former)
