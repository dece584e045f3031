"""From the greedy answer to a better one: exactly on a few hosts, by large-neighbourhood search on many.

The search takes a few hosts at a time, those of a model that moved among them, and places everything on them anew by
`exact.improve`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from fleet.planning.rebalance import exact
from fleet.planning.rebalance.bounds import fewest_restarts
from fleet.planning.rebalance.greedy import repair
from fleet.planning.rebalance.loads import Loads, missed, score
from fleet.planning.rebalance.part import GoesOn
from fleet.planning.rebalance.problem import Assignment, Problem, Score

_WHOLE = 40
"""GPUs up to which the whole is solved at once."""
_HOSTS = (3, 7)
"""Hosts taken at a time, at least and at most."""
_PART_SECONDS = 0.6
_EVEN_SECONDS = 1.0
_STALE = 80
"""Rounds without anything better after which the search ends."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the search has come."""

    seconds: float
    score: Score
    """Of the best answer so far."""
    restarts: int
    """Running models it moves."""
    fewest_restarts: float
    """What no answer that leaves nothing out goes below, weighted."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best answer, not settled."""

    assignment: Assignment
    greedy: Score
    """Of the answer the search began with."""
    fewest_restarts: float
    proved: bool
    """Whether none leaves out less, is tight on less or restarts less."""


OnProgress = Callable[[Progress], None]


def search(
    problem: Problem,
    seconds: float,
    goes_on: GoesOn = lambda: True,
    on_progress: OnProgress = lambda _: None,
    seed: int = 0,
) -> Found:
    """The best answer found in about that time, or until ``goes_on`` says no; then the best so far."""
    return _Search(problem, seconds, goes_on, on_progress, seed).run()


class _Search:
    """One search under way."""

    def __init__(self, problem: Problem, seconds: float, goes_on: GoesOn, on_progress: OnProgress, seed: int) -> None:
        self._problem = problem
        self._began = time.monotonic()
        self._seconds = seconds
        self._may_go_on = goes_on
        self._tell = on_progress
        self._chance = Random(seed)
        self._best = repair(problem, seconds)
        self._score = self._greedy = score(problem, self._best)
        self._bounds: tuple[float, ...] = (0.0,) * len(problem.hosts)
        self._proved = False
        self._hosts = _HOSTS[0] + 1

    @property
    def _left(self) -> float:
        return self._seconds - (time.monotonic() - self._began)

    def _goes_on(self) -> bool:
        return self._left > 0 and self._may_go_on()

    @property
    def _is_done(self) -> bool:
        """Whether no answer can leave out less, be tight on less or restart less."""
        return self._score[:2] == (0, 0) and self._score.restarts <= sum(self._bounds) + 1e-6

    def run(self) -> Found:
        self._report()
        if self._goes_on():
            self._bounds = fewest_restarts(self._problem)
            self._report()
        if sum(len(host.room) for host in self._problem.hosts) <= _WHOLE:
            self._solve_whole()
        else:
            self._wander()
        return Found(self._best, self._greedy, sum(self._bounds), self._proved or self._is_done)

    def _report(self) -> None:
        moved = len(self._problem.moved(self._best))
        self._tell(Progress(time.monotonic() - self._began, self._score, moved, sum(self._bounds)))

    def _take(self, assignment: Assignment) -> bool:
        """Keep an answer that is no worse; whether it is better."""
        found = score(self._problem, assignment)
        if found[:3] > self._score[:3]:
            return False
        better = found[:3] < self._score[:3] or found.unevenness < self._score.unevenness
        self._best, self._score = assignment, found
        if better:
            self._report()
        return better

    def _solve_whole(self) -> None:
        self._proved = self._is_done
        if self._goes_on() and not self._is_done:
            answer = exact.best(self._problem, self._best, self._left, self._goes_on)
            if answer:
                self._take(answer.assignment)
                self._proved = answer.proved
        if self._goes_on():
            evened = exact.even_out(self._problem, self._best, min(_EVEN_SECONDS, self._left), self._goes_on)
            if evened and score(self._problem, evened.assignment) < self._score:
                self._take(evened.assignment)

    # many hosts

    def _wander(self) -> None:
        stale = 0
        while self._goes_on() and not self._is_done and stale < _STALE:
            before, began = self._score[:3], time.monotonic()
            part_seconds = min(_PART_SECONDS, self._left)
            answer = exact.improve(self._problem, self._best, self._neighbourhood(), part_seconds, self._goes_on)
            if answer:
                self._take(answer.assignment)
            self._fit_part(time.monotonic() - began)
            stale = 0 if self._score[:3] < before else stale + 1

    def _fit_part(self, seconds: float) -> None:
        """Take fewer hosts at a time where an answer takes long, more where it is quick."""
        if seconds > _PART_SECONDS / 2:
            self._hosts = max(_HOSTS[0], self._hosts - 1)
        elif seconds < _PART_SECONDS / 5:
            self._hosts = min(_HOSTS[1], self._hosts + 1)

    def _neighbourhood(self) -> Sequence[int]:
        """Hosts of something that could be better, and some with room."""
        loads = Loads(self._problem, self._best)
        hosts = self._troubled(loads)
        fill = [sum(high) / max(1, sum(host.room)) for high, host in zip(loads.high, self._problem.hosts, strict=True)]
        for host in sorted(range(len(fill)), key=lambda number: fill[number] + self._chance.random() / 2):
            if len(hosts) >= self._hosts:
                break
            hosts.add(host)
        return sorted(hosts)

    def _troubled(self, loads: Loads) -> set[int]:
        """Where something found no place, else a GPU is tight, else more left its home than would have to."""
        items = [i for i, slot in enumerate(self._best) if slot is None]
        if not items:
            items = [i for host in range(len(loads.on)) for i in self._on_tight(loads, host)]
        if not items:
            moved = self._problem.moved(self._best)
            leaving = Counter(self._home(i) for i in moved)
            items = [i for i in moved if leaving[self._home(i)] > self._bounds[self._home(i)]] or moved
        if not items and missed(loads):
            items = [i for i, slot in enumerate(self._best) if slot]
        if not items:
            return set()
        chosen = self._chance.choice(items)
        slots = (self._problem.items[chosen].home, self._best[chosen])
        return {slot.host for slot in slots if slot is not None}

    def _on_tight(self, loads: Loads, host: int) -> set[int]:
        tight = (gpu for gpu, _ in enumerate(loads.on[host]) if loads.room(host, gpu, comfortably=True) < 0)
        return {item for gpu in tight for item in loads.on[host][gpu]}

    def _home(self, item: int) -> int:
        home = self._problem.items[item].home
        assert home is not None, "only what runs moves"
        return home.host
