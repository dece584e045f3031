"""The order that costs least: best-first search over who serves where.

A state says of each model in which of its places it serves, or that it does not. A move stops a model, starts one, or
starts its second copy and then stops the first. Its cost is the time it takes times the importance of every model that
does not serve meanwhile. What a state must still cost at least is reckoned from below, so that the first way found to
the end is the cheapest there is (A*; Hart, Nilsson and Raphael 1968).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

from fleet.planning.tasks import Sizes, Spot, Task, Turn, Verb, after, downtime, turn

NODES = 8_000
"""States looked at before the search gives up; less than a second."""
LOAD_COST = 0.01
"""What a second of loading counts beside a second of downtime: of two orders alike, fewer starts are better."""
_HASTES = (5.0, 1.0)
"""How much the way left counts against the way behind: first in haste for a good order, then for the best."""

_STOPPED, _NOW, _GOAL, _TEMPORARY = -1, 0, 1, 2

_State = tuple[int, ...]
"""Of each task, the number of the place where it serves; the temporary ones come last."""
_Act = tuple[Verb, int, int]
"""What is done to which task in which of its places."""


def cost(turns: Sequence[Turn]) -> float:
    """Seconds of downtime, each counted by its model's importance, and a little for every start."""
    weights = {each.task.model: each.task.weight for each in turns}
    loads = sum(each.seconds for each in turns if each.verb is Verb.START)
    return sum(weights[model] * seconds for model, seconds in downtime(turns).items()) + LOAD_COST * loads


def search(
    tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes, limit: float = inf, nodes: int = NODES
) -> list[Turn] | None:
    """The cheapest turns found that carry out all tasks, every start finding what it needs.

    Args:
        tasks: What has to be done.
        bystanders: Models that serve where they shall, and may be stopped and started again.
        free: Free bytes of every GPU now.
        limit: Only an order that costs less is wanted.
        nodes: How many states to look at; where that is enough, no order costs less than the one found.

    Returns:
        None where there is no such order, or none was found among so many states.
    """
    ways = _Ways(tasks, bystanders, free)
    found = None
    for haste in _HASTES:
        better = ways.best(limit, nodes // len(_HASTES), haste)
        if better:
            found, limit = better, cost(better)
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """A spot by the numbers of its GPUs."""

    needs: tuple[tuple[int, int], ...]
    rests: tuple[tuple[int, int], ...]

    def fits(self, free: Sequence[int]) -> bool:
        return all(size <= free[gpu] for gpu, size in self.needs)

    def taken(self, free: Sequence[int]) -> tuple[int, ...]:
        return self._changed(free, -1)

    def given_back(self, free: Sequence[int]) -> tuple[int, ...]:
        return self._changed(free, 1)

    def _changed(self, free: Sequence[int], sign: int) -> tuple[int, ...]:
        left = list(free)
        for gpu, size in self.rests:
            left[gpu] += sign * size
        return tuple(left)


@dataclass(frozen=True, slots=True)
class _Node:
    """A state, what is free then, and the way that led to it."""

    state: _State
    free: tuple[int, ...]
    cost: float
    acts: tuple[_Act, ...] = ()
    """What was done since the node before."""
    before: _Node | None = None


class _Ways:
    """Every way in which some tasks can be carried out."""

    def __init__(self, tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> None:
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
        state = tuple(_NOW if task.now else _STOPPED for task in self.tasks)
        self.first = _Node(state, tuple(free.get(gpu, 0) for gpu in gpus), 0.0)
        self.returns = [task.now is not None and task.goal is not None for task in self.tasks]
        quickest = sorted(range(len(self.tasks)), key=lambda k: self.tasks[k].load_seconds / self.tasks[k].weight)
        self.rank = {k: n for n, k in enumerate(quickest)}
        self.alone = self._alone()
        self.must_stop = [[self._must_stop(k, at) for at in range(len(p))] for k, p in enumerate(self.places)]

    def best(self, limit: float, nodes: int, haste: float) -> list[Turn] | None:
        """The turns of the cheapest way below a limit; with a haste above 1, of a good one."""
        tie = count()
        queue = [(0.0, 0.0, next(tie), self.first)]
        known = {self.first.state: 0.0}
        while queue and nodes:
            _, _, _, node = heapq.heappop(queue)
            if node.cost > known[node.state]:
                continue  # a cheaper way here was found meanwhile
            if all(at in ends for at, ends in zip(node.state, self.ends, strict=True)):
                return self._turns(node)
            nodes -= 1
            for child in self._next(node):
                left = self._least(child.state)
                if child.cost < known.get(child.state, inf) and child.cost + left < limit:
                    known[child.state] = child.cost
                    heapq.heappush(queue, (child.cost + haste * left, left, next(tie), child))
        return None

    def _next(self, node: _Node) -> Iterator[_Node]:
        waiting = sum(task.weight for k, task in enumerate(self.tasks) if self._waits(k, node.state[k]))
        for k, task in enumerate(self.tasks):
            if task.goal is None and node.state[k] == _NOW:
                yield self._moved(node, k, _STOPPED, waiting)
                return  # what only stops makes room, and nobody waits for it before anything else is done
        for k, (task, at) in enumerate(zip(self.tasks, node.state, strict=True)):
            if task.goal is None or at == _GOAL:
                continue
            if at != _STOPPED:
                yield self._moved(node, k, _STOPPED, waiting)
            if at == _STOPPED or task.second_copy:
                for to in self._reachable(k, at):
                    if self.places[k][to].fits(node.free):
                        yield self._moved(node, k, to, waiting)

    def _reachable(self, k: int, at: int) -> Iterator[int]:
        yield _GOAL
        if self.returns[k] and at < _TEMPORARY:
            yield from range(_TEMPORARY, len(self.places[k]))

    def _moved(self, node: _Node, k: int, to: int, waiting: float) -> _Node:
        """The node after one task left its place for another: first it is started there, then stopped here."""
        at, free, task = node.state[k], node.free, self.tasks[k]
        acts: list[_Act] = []
        seconds = loads = 0.0
        if to != _STOPPED:
            acts.append((Verb.START, k, to))
            free = self.places[k][to].taken(free)
            seconds, loads = task.load_seconds, LOAD_COST * task.load_seconds
        if at != _STOPPED:
            acts.append((Verb.STOP, k, at))
            free = self.places[k][at].given_back(free)
            seconds += task.stop_seconds
        if self._waits(k, to):
            waiting += task.weight
        state = (*node.state[:k], to, *node.state[k + 1 :])
        return _Node(state, free, node.cost + seconds * waiting + loads, tuple(acts), node)

    def _waits(self, k: int, at: int) -> bool:
        """Whether a model that is to come back does not serve."""
        return at == _STOPPED and self.returns[k]

    def _least(self, state: _State) -> float:
        """What is left must cost so much at least.

        Every model not where it shall be loads once more. One that has to be stopped does not serve while it stops
        and loads. Those that wait already load one after the other, at best the quickest for their importance first
        (Smith 1956).
        """
        total = 0.0
        waiting = []
        for k, at in enumerate(state):
            task = self.tasks[k]
            if task.goal is None or at in self.ends[k]:
                continue
            total += LOAD_COST * task.load_seconds
            if self._waits(k, at):
                waiting.append(k)
            elif at != _STOPPED and self.must_stop[k][at]:
                total += task.weight * (task.stop_seconds + task.load_seconds)
        elapsed = 0.0
        for k in sorted(waiting, key=self.rank.__getitem__):
            elapsed += self.tasks[k].load_seconds
            total += self.tasks[k].weight * elapsed
        return total

    def _alone(self) -> tuple[int, ...]:
        """What is free when nothing serves but the models that are left where they are."""
        free = self.first.free
        for places, task in zip(self.places, self.tasks, strict=True):
            if task.now:
                free = places[_NOW].given_back(free)
        return free

    def _must_stop(self, k: int, at: int) -> bool:
        """Whether no second copies lead from there to its goal, even were it alone."""
        if not self.tasks[k].second_copy:
            return True
        places = self.places[k]

        def leads(start: int, end: int) -> bool:
            return places[end].fits(places[start].taken(self.alone))

        temporary = range(_TEMPORARY, len(places)) if at == _NOW else ()
        return not leads(at, _GOAL) and not any(leads(at, via) and leads(via, _GOAL) for via in temporary)

    def _turns(self, node: _Node) -> list[Turn]:
        way: list[_Node] = [node]
        while way[-1].before:
            way.append(way[-1].before)
        turns: list[Turn] = []
        free = self.free
        for verb, k, at in (act for step in reversed(way) for act in step.acts):
            spot = self.spots[k][at]
            assert spot is not None, "only places there are are entered and left"
            turns.append(turn(verb, self.tasks[k], spot, free))
            free = after(turns[-1:], free)
        return turns
