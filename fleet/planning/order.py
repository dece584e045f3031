"""In which order models are stopped and started, so that each start finds the memory it needs and little is down.

Everything happens one at a time. Models that share no GPU are ordered apart: of each part a quick order is made, and a
cheaper one searched for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from fleet.planning.greedy import greedy
from fleet.planning.search import cost, search
from fleet.planning.tasks import Sizes, Task, Turn, after, downtime


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
    left = free
    parts = components(tasks)
    for part in parts:
        here = {gpu for task in part for gpu in task.gpus}
        moved = {each.task.model for each in turns}
        near = [task for task in bystanders if task.gpus & here and task.model not in moved]
        found = _ordered(part, near, left)
        turns += found
        left = after(found, left)
    return _together(tasks, bystanders, free, turns, len(parts))


def components(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks in parts that share no GPU with one another, each in the order given."""
    parts: list[list[Task]] = []
    for task in tasks:
        touching = [part for part in parts if any(task.gpus & other.gpus for other in part)]
        merged = [other for part in touching for other in part]
        parts = [part for part in parts if part not in touching]
        parts.append([*merged, task])
    return parts


def _ordered(part: Sequence[Task], bystanders: Sequence[Task], free: Sizes) -> list[Turn]:
    """The turns of one part; a bystander has some only where there is no order without it."""
    quick = greedy(part, bystanders, free)
    proven = all(each.fits for each in quick)
    helpers = [task for task in bystanders if _takes_part(task, quick)]
    found = search(part, [], free, inf if helpers or not proven else cost(quick))
    if found is None and not proven:
        found = search(part, bystanders, free)
    if found is None and helpers and proven:
        found = search(part, helpers, free, cost(quick))
    return found or quick


def _together(
    tasks: Sequence[Task], bystanders: Sequence[Task], free: Sizes, apart: list[Turn], parts: int
) -> list[Turn]:
    """A cheaper order of all parts at once, where one may find temporary places another leaves; else that of each."""
    if parts < 2 or not downtime(apart) or not any(task.temporary for task in tasks):
        return apart
    if not all(each.fits for each in apart):
        return apart
    helpers = [task for task in bystanders if _takes_part(task, apart)]
    return search(tasks, helpers, free, cost(apart)) or apart


def _takes_part(task: Task, turns: Iterable[Turn]) -> bool:
    return any(each.task is task for each in turns)
