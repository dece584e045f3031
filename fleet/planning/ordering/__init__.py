"""In which order models are stopped and started, so that each start finds the memory it needs and little is down.

Everything happens one at a time. Models that share no GPU, not even for a while, are ordered apart: of each part a
quick order is made, and then a cheaper one is searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from fleet.model import GpuId
from fleet.planning.ordering.greedy import greedy
from fleet.planning.ordering.search import STATES, cost, search
from fleet.planning.ordering.tasks import Sizes, Task, Turn, Verb, after, turn

_AS_GOOD = 1e-6
"""Seconds of downtime by which two orders may differ and be one as good as the other."""


def order(tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    """The turns that carry out all tasks.

    Args:
        tasks: What has to be done, in order of preference.
        bystanders: Running models that may be stopped and started again where nothing else helps.
        free: Free bytes of every GPU now.

    Returns:
        Turns that each fit where such an order was found. Where none was, the models of that part are all
        stopped first and then started, and the turns that do not fit say so. Copies that relieve others are started
        first where that fits and costs no more.
    """
    turns = _in_parts(tasks, bystanders, free)
    relieved = _relieved(tasks, bystanders, free)
    return relieved if relieved and cost(relieved) <= cost(turns) + _AS_GOOD else turns


def _relieved(tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    """The same with the relieving copies started before anything else; no turns where that does not fit."""
    turns: list[Turn] = []
    for task in tasks:
        if task.relieves and task.goal:
            turns.append(turn(Verb.START, task, task.goal, after(turns, free)))
    if not turns or not all(each.fits for each in turns):
        return []
    turns += _in_parts([task for task in tasks if not task.relieves], bystanders, after(turns, free))
    return turns if all(each.fits for each in turns) else []


def _in_parts(tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    """Each part that shares no GPU with another by itself."""
    turns: list[Turn] = []
    regions = components(tasks, lambda task: task.gpus | task.reach)
    for region in regions:
        moved = {each.task.model for each in turns}
        near = [task for task in bystanders if task.model not in moved]
        turns += _ordered(region, near, after(turns, free), STATES // len(regions))
    return turns


def components(tasks: Iterable[Task], gpus: Callable[[Task], AbstractSet[GpuId]]) -> list[list[Task]]:
    """The tasks in parts that share no GPU with one another, each in the order given."""
    parts: list[list[Task]] = []
    for task in tasks:
        touching = [part for part in parts if any(gpus(task) & gpus(other) for other in part)]
        merged = [other for part in touching for other in part]
        parts = [part for part in parts if part not in touching]
        parts.append([*merged, task])
    return parts


def _ordered(region: Sequence[Task], bystanders: Sequence[Task], free: Sizes, states: int) -> list[Turn]:
    """A quick order of each part that would do without temporary places, then a cheaper one of all together."""
    quick: list[Turn] = []
    for part in components(region, lambda task: task.gpus):
        here = {gpu for task in part for gpu in task.gpus}
        near = [task for task in bystanders if task.gpus & here and not _takes_part(task, quick)]
        quick += _possible(part, near, after(quick, free), states)
    if not all(each.fits for each in quick):
        return quick
    helpers = [task for task in bystanders if _takes_part(task, quick)]
    return search(region, helpers, free, cost(quick), states) or quick


def _possible(part: Sequence[Task], bystanders: Sequence[Task], free: Sizes, states: int) -> list[Turn]:
    """An order of one part in which every start fits, where one is found; a bystander has turns only if need be."""
    quick = greedy(part, bystanders, free)
    proven = all(each.fits for each in quick)
    if proven and not any(_takes_part(task, quick) for task in bystanders):
        return quick
    without = search(part, [], free, states=states)
    if without or proven:
        return without or quick
    return search(part, bystanders, free, states=states) or quick


def _takes_part(task: Task, turns: Iterable[Turn]) -> bool:
    return any(each.task is task for each in turns)
