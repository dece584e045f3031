"""The order that costs least: best-first search over who serves where.

A state says of each model in which of its places it serves, or that it does not. A move stops a model, starts one, or
starts its second copy and then stops the first. Its cost is the time it takes times the importance of every model that
does not serve meanwhile. What a state must still cost at least is reckoned from below, so that the first way found to
the end is the cheapest there is (A*; Hart, Nilsson and Raphael 1968).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from math import inf
from typing import NamedTuple

from fleet.planning.ordering.tasks import Sizes, Spot, Task, Turn, Verb, after, downtime, turn

STATES = 60_000
"""States met before the search gives up; about half a second."""
BEAMS = (10, 30, 150)
"""States kept at each depth while good orders are looked for, before the best."""
LIKELY_DELAY = 0.5
"""Downtime to be feared for every second still to be loaded: what makes a beam prefer ways that get on."""
LOAD_COST = 0.01
"""What a second of loading counts beside a second of downtime: of two orders alike, fewer starts are better."""

_NOW, _GOAL, _TEMPORARY, _STOPPED = 0, 1, 2, -1

_State = tuple[int, ...]
"""Of each task, the number of the place where it serves; the temporary ones come last."""
_Free = tuple[int, ...]
"""Free bytes by the number of the GPU."""


def cost(turns: Sequence[Turn]) -> float:
    """Seconds of downtime, each counted by its model's importance, and a little for every start."""
    weights = {each.task.model: each.task.weight for each in turns}
    loads = sum(each.seconds for each in turns if each.verb is Verb.START)
    return sum(weights[model] * seconds for model, seconds in downtime(turns).items()) + LOAD_COST * loads


def search(
    tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes, limit: float = inf, states: int = STATES
) -> list[Turn] | None:
    """The cheapest turns found that carry out all tasks, every start finding what it needs.

    Args:
        tasks: What has to be done.
        bystanders: Models that serve where they shall, and may be stopped and started again.
        free: Free bytes of every GPU now.
        limit: Only an order that costs less is wanted.
        states: How many states to meet; where that is enough, no order costs less than the one found.

    Returns:
        None where there is no such order, or none was found among so many states.
    """
    ways = _Ways(tasks, bystanders, free, limit, states)
    for width in BEAMS:
        ways.look_along(width)
    ways.look_everywhere()
    return ways.turns


class _Place(NamedTuple):
    """A spot by the numbers of its GPUs."""

    needs: tuple[tuple[int, int], ...]
    rests: tuple[tuple[int, int], ...]

    def fits(self, free: _Free) -> bool:
        for gpu, size in self.needs:  # noqa: SIM110 - the innermost loop of the search
            if size > free[gpu]:
                return False
        return True

    def taken(self, free: _Free) -> _Free:
        return self._changed(free, -1)

    def given_back(self, free: _Free) -> _Free:
        return self._changed(free, 1)

    def _changed(self, free: _Free, sign: int) -> _Free:
        left = list(free)
        for gpu, size in self.rests:
            left[gpu] += sign * size
        return tuple(left)


class _Node(NamedTuple):
    """A state, what is free then, and what the way to it cost."""

    state: _State
    free: _Free
    cost: float
    left: float
    """What the tasks not at their end cost at least, beside what the waiting ones wait for."""
    waiting: tuple[int, ...]
    """The tasks whose models are to come back and do not serve, in the order in which they best do."""
    before: _Node | None


def _twice(task: Task, at: int, to: int) -> bool:
    """Whether it may run in both places at once: a spare unit serves the temporary ones, and is one unit."""
    return task.second_copy or (task.spare and (at >= _TEMPORARY) != (to >= _TEMPORARY))


class _Ways:
    """Every way in which some tasks can be carried out."""

    def __init__(
        self, tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes, limit: float, states: int
    ) -> None:
        self.limit = limit
        self.states = states
        self.end: _Node | None = None
        self.tasks = [*tasks, *bystanders]
        self.free = free
        self.ends = [{_GOAL if task.goal else _STOPPED} for task in tasks] + [{_NOW, _GOAL} for _ in bystanders]
        self.spots = [(task.now, task.goal, *task.temporary) for task in self.tasks]
        gpus = sorted({gpu for spots in self.spots for spot in spots if spot for gpu in spot.gpus})
        number = {gpu: n for n, gpu in enumerate(gpus)}

        def place(spot: Spot | None) -> _Place:
            sizes = (spot.needs, spot.rests) if spot else ({}, {})
            return _Place(*(tuple((number[gpu], size) for gpu, size in each.items()) for each in sizes))

        self.places = [[place(spot) for spot in spots] for spots in self.spots]
        self.returns = [task.now is not None and task.goal is not None for task in self.tasks]
        free_now = tuple(free.get(gpu, 0) for gpu in gpus)
        self.alone = free_now
        for places in self.places:
            self.alone = places[_NOW].given_back(self.alone)
        self.rest = [self._rest(k) for k in range(len(self.tasks))]
        self.queues: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, 0.0)}
        state = tuple(_NOW if task.now else _STOPPED for task in self.tasks)
        left = sum(rest[at] for rest, at in zip(self.rest, state, strict=True))
        self.start = _Node(state, free_now, 0.0, left, (), None)

    @property
    def turns(self) -> list[Turn] | None:
        """The cheapest way found so far; None where there is none."""
        return self._turns(self.end) if self.end else None

    def look_along(self, width: int) -> None:
        """Follow only the most promising states of each depth: quick, and mostly good (beam search)."""
        level, known = [self.start], {self.start.state: 0.0}
        while level and self.states > 0:
            deeper: dict[_State, _Node] = {}
            for node in level:
                deeper.update((child.state, child) for child in self._look_at(node, known))
            level = sorted(deeper.values(), key=lambda node: (self._promise(node), node.state))[:width]

    def look_everywhere(self) -> None:
        """Follow the most promising state of all: the first way to the end is the cheapest."""
        tie = count()
        queue = [(0.0, 0.0, next(tie), self.start)]
        known = {self.start.state: 0.0}
        while queue and self.states > 0:
            total, _, _, node = heapq.heappop(queue)
            if total >= self.limit:
                return
            if node.cost > known[node.state]:
                continue  # a cheaper way here was found meanwhile
            for child in self._look_at(node, known):
                total = self._total(child)
                heapq.heappush(queue, (total, total - child.cost, next(tie), child))

    def _look_at(self, node: _Node, known: dict[_State, float]) -> Iterator[_Node]:
        """Note an end; else the nodes one move further that could end below the limit and were not met cheaper."""
        if all(at in ends for at, ends in zip(node.state, self.ends, strict=True)):
            if node.cost < self.limit:
                self.end, self.limit = node, node.cost
            return
        for k, to in self._moves(node):
            self.states -= 1
            child = self._moved(node, k, to)
            if child.cost < known.get(child.state, inf) and self._total(child) < self.limit:
                known[child.state] = child.cost
                yield child

    def _promise(self, node: _Node) -> float:
        """The less, the more a way through a node promises: what is still to be loaded counts as a likely delay."""
        unfinished = (k for k, at in enumerate(node.state) if at not in self.ends[k])
        return self._total(node) + LIKELY_DELAY * sum(self.tasks[k].load_seconds for k in unfinished)

    def _total(self, node: _Node) -> float:
        """What every way through a node costs at least."""
        return node.cost + node.left + self._queue(node.waiting)[1]

    def _moves(self, node: _Node) -> Iterator[tuple[int, int]]:
        """Which task could go where."""
        for k, task in enumerate(self.tasks):
            if task.goal is None and node.state[k] == _NOW:
                yield k, _STOPPED
                return  # what only stops makes room, and nobody waits for it before anything else is done
        for k, (task, at) in enumerate(zip(self.tasks, node.state, strict=True)):
            if task.goal is None or at == _GOAL:
                continue
            if at != _STOPPED:
                yield k, _STOPPED
            for to in range(_GOAL, len(self.places[k]) if self.returns[k] else _TEMPORARY):
                if to != at and (at == _STOPPED or _twice(task, at, to)) and self.places[k][to].fits(node.free):
                    yield k, to

    def _moved(self, node: _Node, k: int, to: int) -> _Node:
        """The node after one task left its place for another: first it is started there, then stopped here."""
        at, free, task, waiting = node.state[k], node.free, self.tasks[k], node.waiting
        seconds = loads = 0.0
        if to != _STOPPED:
            free = self.places[k][to].taken(free)
            seconds, loads = task.load_seconds, LOAD_COST * task.load_seconds
        if at != _STOPPED:
            free = self.places[k][at].given_back(free)
            seconds += task.stop_seconds
        if to == _STOPPED and self.returns[k]:
            waiting = tuple(sorted((*waiting, k), key=self._patience))
        spent = seconds * self._queue(waiting)[0] + loads
        if to != _STOPPED and at == _STOPPED:
            waiting = tuple(each for each in waiting if each != k)
        state = (*node.state[:k], to, *node.state[k + 1 :])
        left = node.left - self.rest[k][at] + self.rest[k][to]
        return _Node(state, free, node.cost + spent, left, waiting, node)

    def _patience(self, k: int) -> tuple[float, int]:
        return self.tasks[k].load_seconds / self.tasks[k].weight, k

    def _queue(self, waiting: tuple[int, ...]) -> tuple[float, float]:
        """How much a second counts while these wait, and what it costs at least that they do.

        They load one after the other, at best the quickest for their importance first (Smith 1956).
        """
        if waiting not in self.queues:
            *first, last = waiting
            weight, least = self._queue(tuple(first))
            seconds = sum(self.tasks[k].load_seconds for k in waiting)
            self.queues[waiting] = weight + self.tasks[last].weight, least + self.tasks[last].weight * seconds
        return self.queues[waiting]

    def _rest(self, k: int) -> list[float]:
        """By place, what it costs at least to bring a task to its end; the last of when it is stopped.

        It loads once more; and where it has to be stopped, it does not serve while it stops and loads.
        """
        task = self.tasks[k]
        once_more = LOAD_COST * task.load_seconds if task.goal else 0.0
        stop = task.weight * (task.stop_seconds + task.load_seconds)
        left = [once_more + stop * self._must_stop(k, at) for at in range(len(self.places[k]))]
        return [0.0 if at in self.ends[k] else left[at] for at in range(len(left))] + [once_more]

    def _must_stop(self, k: int, at: int) -> bool:
        """Whether no second copies lead from there to its goal, even were it alone."""
        if self.tasks[k].goal is None:
            return False
        task, places = self.tasks[k], self.places[k]
        reached = {at}
        for _ in places:
            reached |= {
                to
                for to in range(_GOAL, len(places))
                if any(_twice(task, at, to) and places[to].fits(places[at].taken(self.alone)) for at in reached)
            }
        return _GOAL not in reached

    def _turns(self, end: _Node) -> list[Turn]:
        way = [end]
        while way[-1].before:
            way.append(way[-1].before)
        way.reverse()
        turns: list[Turn] = []
        free = self.free

        def act(verb: Verb, k: int, at: int) -> None:
            nonlocal free
            spot = self.spots[k][at] if at != _STOPPED else None
            if spot:
                turns.append(turn(verb, self.tasks[k], spot, free))
                free = after(turns[-1:], free)

        for before, then in pairwise(way):
            (k,) = (k for k, at in enumerate(then.state) if before.state[k] != at)
            act(Verb.START, k, then.state[k])
            act(Verb.STOP, k, before.state[k])
        return turns
