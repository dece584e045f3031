"""How far a plan has come, by the numbers of its steps that were begun and of those that are done. Pure."""

from __future__ import annotations

from collections.abc import Collection

from fleet.model import GpuId
from fleet.planning.plan import Action, Plan, Step


def entangled(plan: Plan, begun: Collection[int], done: Collection[int], failed: str) -> frozenset[str]:
    """The models that have to go back with one whose step failed, itself included.

    Those are the ones the plan left half done, stopped early to make room for instance, and those that by now hold
    more than before on a GPU that a model going back needs.
    """
    back = {failed} | {step.model for step in plan.steps if step.n in begun and step.model not in finished(plan, done)}
    while True:
        needed = {gpu for former in plan.formers if former.model in back for gpu in former.gpus}
        more = {model for model in finished(plan, done) if model not in back and _grown(plan, model) & needed}
        if not more:
            return frozenset(back)
        back |= more


def finished(plan: Plan, done: Collection[int]) -> tuple[str, ...]:
    """The models whose every step is done."""
    left = {step.model for step in plan.steps if step.n not in done}
    return tuple(dict.fromkeys(step.model for step in plan.steps if step.model not in left))


def _grown(plan: Plan, model: str) -> set[GpuId]:
    """The GPUs on which a model is to hold more than it did."""
    waits = [step for step in plan.steps if step.model == model and step.action is Action.WAIT]
    if not waits:
        return set()
    wait = waits[-1]  # those before it were in temporary places
    formers = [former for former in plan.formers if former.model == model and former.running]
    held = {expect.gpu: expect.high_bytes for former in formers for expect in former.expects}
    now = {expect.gpu: expect.high_bytes for expect in wait.expects} or dict.fromkeys(wait.gpus, 1)
    return {gpu for gpu, size in now.items() if size > held.get(gpu, 0)}


def seconds_until_whole(plan: Plan, begun: Collection[int], done: Collection[int], step: Step) -> float:
    """How long it takes from this next step until no model is half done again; 0.0 where one is already."""
    begun, done = set(begun), set(done)
    if not _whole(plan, begun, done):
        return 0.0
    seconds = 0.0
    for each in plan.steps[plan.steps.index(step) :]:
        seconds += each.seconds
        begun.add(each.n)
        done.add(each.n)
        if _whole(plan, begun, done):
            break
    return seconds


def serving(plan: Plan, done: Collection[int]) -> tuple[Step, ...]:
    """The steps that waited for models which, by the steps that are done, now serve."""
    last = {(step.model, step.host): step for step in plan.steps if step.n in done}
    return tuple(step for step in last.values() if step.action is Action.WAIT)


def _whole(plan: Plan, begun: Collection[int], done: Collection[int]) -> bool:
    return {step.model for step in plan.steps if step.n in begun} <= set(finished(plan, done))
