"""An order found without search: one model after the other, and early stops where none can go on.

It is quick and always answers; `fleet.planning.ordering.search` looks for a better one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleet.model import GpuId
from fleet.planning.ordering.tasks import Sizes, Spot, Task, Turn, Verb, after, turn


def greedy(part: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    """Turns that carry out all tasks of a part, each model stopped and started at most once.

    A model is restarted where its start fits once it is stopped itself; where no model's does, the least important
    one that is in the way is stopped early. Bystanders are stopped and started again only where nothing else helps.
    Where no order is found in which every start fits, all tasks are stopped first and then started, and the turns
    that do not fit say so.
    """
    forced = _all_stopped_first(part, free)
    attempts = _attempts(part, sorted(bystanders, key=lambda task: task.damage), free)
    return next((turns for turns in attempts if turns and all(each.fits for each in turns)), forced)


def _attempts(part: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> Iterator[list[Turn]]:
    yield _one_by_one(sorted(part, key=lambda task: (task.goal is not None, -_slack(task))), free)
    yield _all_stopped_first(part, free)
    for count, bystander in enumerate(bystanders, 1):
        yield _all_stopped_first([*part, bystander], free)
        yield _all_stopped_first([*part, *bystanders[:count]], free)


def _one_by_one(tasks: Sequence[Task], free: Sizes) -> list[Turn]:
    """One model after the other where possible; no turns where it ends in a start that does not fit."""
    run = _Run(free)
    waiting = list(tasks)
    while waiting:
        ready = next((task for task in waiting if task.goal is None or run.could_start(task, task.goal)), None)
        if ready is not None:
            run.stop(ready)
            run.start(ready)
            waiting.remove(ready)
            continue
        running = [(task, task.now) for task in waiting if task.now and task.model not in run.stopped]
        if not running:
            return []
        short = {gpu for task in waiting if task.goal for gpu in _missing(task.goal, run.free)}
        in_the_way = [task for task, now in running if short & now.gpus] or [task for task, _ in running]
        run.stop(min(in_the_way, key=lambda task: task.damage))
    return run.turns


def _all_stopped_first(tasks: Iterable[Task], free: Sizes) -> list[Turn]:
    run = _Run(free)
    ordered = sorted(tasks, key=lambda task: -_slack(task))
    for task in ordered:
        run.stop(task)
    for task in ordered:
        run.start(task)
    return run.turns


def _slack(task: Task) -> int:
    return task.goal.slack if task.goal else 0


def _missing(spot: Spot, free: Sizes) -> set[GpuId]:
    return {gpu for gpu, size in spot.needs.items() if free.get(gpu, 0) < size}


class _Run:
    """Memory while turns are taken."""

    def __init__(self, free: Sizes) -> None:
        self.free = free
        self.turns: list[Turn] = []
        self.stopped: set[str] = set()

    def could_start(self, task: Task, goal: Spot) -> bool:
        """Whether it would fit if it were stopped first."""
        if task.now is None or task.model in self.stopped:
            return goal.fits(self.free)
        return goal.fits(after([turn(Verb.STOP, task, task.now, self.free)], self.free))

    def stop(self, task: Task) -> None:
        """Stop it, unless it is stopped already or never ran."""
        if task.now is not None and task.model not in self.stopped:
            self._take(turn(Verb.STOP, task, task.now, self.free))
            self.stopped.add(task.model)

    def start(self, task: Task) -> None:
        """Start it, if that is wanted."""
        if task.goal is not None:
            self._take(turn(Verb.START, task, task.goal, self.free))

    def _take(self, taken: Turn) -> None:
        self.turns.append(taken)
        self.free = after([taken], self.free)
