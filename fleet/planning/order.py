"""In which order models are stopped and started, so that each start finds the memory it needs.

Everything happens one at a time. The order is found greedily: a model is restarted where its start fits once it is
stopped itself; where no model's does, the least damaging one that is in the way is stopped early.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from fleet.model import GpuId

Sizes = Mapping[GpuId, int]
"""Bytes by GPU."""


def _nothing() -> Sizes:
    return MappingProxyType({})


class Verb(StrEnum):
    """What a turn does."""

    STOP = "stop"
    START = "start"


@dataclass(frozen=True, slots=True)
class Task:
    """One model to stop, to start, or both."""

    model: str
    stops: bool
    starts: bool
    held: Sizes = field(default_factory=_nothing)
    """What its stop gives back."""
    needs: Sizes = field(default_factory=_nothing)
    """Free memory its start takes."""
    rests: Sizes = field(default_factory=_nothing)
    """What it holds once it serves; never more than it needs."""
    damage: tuple[float, ...] = ()
    """The smaller, the sooner it is stopped early."""

    @property
    def gpus(self) -> frozenset[GpuId]:
        """Every GPU it touches."""
        return frozenset({*self.held, *self.needs, *self.rests})

    @property
    def slack(self) -> int:
        """By how much its start takes more than it then holds; those with most are best started first."""
        return max((self.needs[gpu] - self.rests.get(gpu, 0) for gpu in self.needs), default=0)


@dataclass(frozen=True, slots=True)
class Turn:
    """One model stopped or started, and what was free on its GPUs just before."""

    verb: Verb
    task: Task
    free: Sizes

    @property
    def fits(self) -> bool:
        """Whether a start finds what it needs."""
        return self.verb is Verb.STOP or _fits(self.task, self.free)


def order(tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    """The turns that carry out all tasks.

    Args:
        tasks: What has to be done, in order of preference.
        bystanders: Running models that may be stopped and started again where nothing else helps.
        free: Free bytes of every GPU now.

    Returns:
        Turns that each fit where such an order was found. Where none was, the models of that part are all
        stopped first and then started, and the turns that do not fit say so.
    """
    turns: list[Turn] = []
    for part in components(tasks):
        here = {gpu for task in part for gpu in task.gpus}
        moved = {turn.task.model for turn in turns}
        near = [task for task in bystanders if task.gpus & here and task.model not in moved]
        found = _ordered(part, near, free)
        turns += found
        free = after(found, free)
    return turns


def components(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks in parts that share no GPU with one another, each in the order given."""
    parts: list[list[Task]] = []
    for task in tasks:
        touching = [part for part in parts if any(task.gpus & other.gpus for other in part)]
        merged = [other for part in touching for other in part]
        parts = [part for part in parts if part not in touching]
        parts.append([*merged, task])
    return parts


def after(turns: Iterable[Turn], free: Sizes) -> Sizes:
    """What is free after the turns."""
    left = dict(free)
    for turn in turns:
        sizes, sign = (turn.task.held, 1) if turn.verb is Verb.STOP else (turn.task.rests, -1)
        for gpu, size in sizes.items():
            left[gpu] = left.get(gpu, 0) + sign * size
    return left


def _ordered(part: list[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    preferred = sorted(part, key=lambda task: (task.starts, -task.slack))
    forced = _all_stopped_first(preferred, free)
    attempts = [_greedy(preferred, free), forced]
    helpers: list[Task] = []
    for bystander in sorted(bystanders, key=lambda task: task.damage):
        helpers.append(bystander)
        attempts.append(_all_stopped_first([*part, bystander], free))
        if len(helpers) > 1:
            attempts.append(_all_stopped_first([*part, *helpers], free))
    return next((turns for turns in attempts if turns and all(turn.fits for turn in turns)), forced)


def _greedy(tasks: Sequence[Task], free: Sizes) -> list[Turn]:
    """One model after the other where possible; no turns where it ends in a start that does not fit."""
    run = _Run(free)
    waiting = list(tasks)
    while waiting:
        ready = next((task for task in waiting if not task.starts or run.could_start(task)), None)
        if ready is not None:
            run.stop(ready)
            run.start(ready)
            waiting.remove(ready)
            continue
        running = [task for task in waiting if task.stops and task.model not in run.stopped]
        if not running:
            return []
        short = {gpu for task in waiting for gpu in task.needs if run.free.get(gpu, 0) < task.needs[gpu]}
        in_the_way = [task for task in running if short & set(task.held)] or running
        run.stop(min(in_the_way, key=lambda task: task.damage))
    return run.turns


def _all_stopped_first(tasks: Iterable[Task], free: Sizes) -> list[Turn]:
    run = _Run(free)
    ordered = sorted(tasks, key=lambda task: -task.slack)
    for task in ordered:
        run.stop(task)
    for task in ordered:
        run.start(task)
    return run.turns


class _Run:
    """Memory while turns are taken."""

    def __init__(self, free: Sizes) -> None:
        self.free = free
        self.turns: list[Turn] = []
        self.stopped: set[str] = set()

    def could_start(self, task: Task) -> bool:
        """Whether it would fit if it were stopped first."""
        free = self.free
        if task.stops and task.model not in self.stopped:
            free = after([Turn(Verb.STOP, task, free)], free)
        return _fits(task, free)

    def stop(self, task: Task) -> None:
        """Stop it, unless it is stopped already or never ran."""
        if task.stops and task.model not in self.stopped:
            self._take(Turn(Verb.STOP, task, self._around(task)))
            self.stopped.add(task.model)

    def start(self, task: Task) -> None:
        """Start it, if that is wanted."""
        if task.starts:
            self._take(Turn(Verb.START, task, self._around(task)))

    def _take(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.free = after([turn], self.free)

    def _around(self, task: Task) -> Sizes:
        return {gpu: self.free.get(gpu, 0) for gpu in task.gpus}


def _fits(task: Task, free: Sizes) -> bool:
    return all(size <= free.get(gpu, 0) for gpu, size in task.needs.items())
