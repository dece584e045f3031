"""The exact answer on some hosts: the assignment as a mixed-integer programme.

Every item has one slot or none. On each GPU the peaks, and the start that takes most beyond its own peak, fit; where
the high ends of the estimates do not fit too, the GPU is tight. As few items as can be are left out, then as few GPUs
tight, then as few restarts made. Evening out settles for those and makes the fullest GPU as empty, and neighbours as
unlike, as can be.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from fleet.planning.rebalance.part import Answer, GoesOn, Part
from fleet.planning.rebalance.problem import Assignment, Problem
from fleet.planning.rebalance.weighing import weigh_evenness, weigh_goals

_QUICK_SECONDS = 0.3


def best(problem: Problem, assignment: Assignment, seconds: float, goes_on: GoesOn) -> Answer | None:
    """The fewest left out, tight GPUs and restarts there can be; None where the time is too short.

    Most problems are easy and answered at once. Of one where everything just fits, or just does not, the proof takes
    knowing what each GPU can hold: first as if nothing were left out, where a GPU can leave little unused, and only
    where that is impossible with something left out.
    """
    until = time.monotonic() + seconds
    hosts = range(len(problem.hosts))
    quick = _weighed(Part(problem, assignment, hosts)).solve(min(_QUICK_SECONDS, seconds), goes_on)
    if quick and quick.proved:
        return quick
    found = quick.assignment if quick else assignment
    whole = _weighed(Part(problem, found, hosts, knows_sets=True, leaves_out=0))
    answer = whole.solve(until - time.monotonic(), goes_on)
    if answer or not whole.is_impossible:
        return answer or quick
    part = _weighed(Part(problem, found, hosts, knows_sets=True, leaves_out=1))
    return part.solve(until - time.monotonic(), goes_on) or quick


def improve(
    problem: Problem, assignment: Assignment, hosts: Sequence[int], seconds: float, goes_on: GoesOn
) -> Answer | None:
    """A better answer than the assignment, the rest of the fleet as it is; None where none was found in the time.

    What found no place, and what came from these hosts to others, may come to them.
    """
    part = _weighed(Part(problem, assignment, hosts))
    part.cost_less()
    return part.solve(seconds, goes_on)


def even_out(problem: Problem, assignment: Assignment, seconds: float, goes_on: GoesOn) -> Answer | None:
    """The most even answer that costs no more than this assignment; None where the time is too short."""
    part = _weighed(Part(problem, assignment, range(len(problem.hosts)), evens=True))
    weigh_evenness(part)
    return part.solve(seconds, goes_on)


def _weighed(part: Part) -> Part:
    weigh_goals(part)
    return part
