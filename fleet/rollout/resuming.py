"""What an interrupted rollout's steps left behind, read from the hosts: a journal knows only what was done then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleet.commands import Reader
from fleet.errors import GpudeckError
from fleet.planning.plan import Action, Plan, Step
from fleet.readings import HostSnapshot, ServiceWord
from fleet.rollout.events import Phase
from fleet.rollout.journal import Touch
from fleet.rollout.watching import Newest
from fleet.secrets import masked
from fleet.services.detached import Progress, State, why_failed
from fleet.services.registry import service_named

_DONE_BY_COMMANDS = (Action.WRITE, Action.REMOVE, Action.START)
"""Steps that wait for nothing after their commands; all others are taken again."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a step ended whose console did before it."""

    sentence: str
    outcome: str
    """For the journal."""
    done: frozenset[int] = frozenset()
    """Its number, where it is a step of the plan and all of it is done."""


def settled(touch: Touch, progress: Progress) -> Settled:
    """What is known of a step that was under way when the console ended, by what its host keeps of it."""
    step = f"{touch.action} {touch.model}"
    if progress.state is State.NEVER and touch.action in (Action.DRAIN, Action.WAIT):
        return Settled(f"{step} had nothing under way on {touch.host}.", "unknown")
    if progress.state is State.NEVER:
        return Settled(f"{step} was not begun on {touch.host}.", "unknown")
    if progress.is_done:
        whole = touch.phase is Phase.PLAN and Action(touch.action) in _DONE_BY_COMMANDS
        sentence = f"{touch.host} has finished {step} by itself."
        return Settled(sentence, "done", frozenset({touch.n})) if whole else Settled(sentence, "unknown")
    if progress.state is State.ENDED:
        return Settled(f"{step} failed on {touch.host}: {masked(why_failed(progress)).rstrip('.')}.", "failed")
    return Settled(f"{step} was cut off on {touch.host}: it was killed there, or the host came up anew.", "failed")


async def still_standing(
    plan: Plan, done: Collection[int], readers: Mapping[str, Reader], newest: Newest
) -> frozenset[int]:
    """Of the steps said to be done, those whose effect is still there.

    A model that is not as its done steps left it (it was started again meanwhile, its host came up anew) has none:
    all its steps are taken again, from its stop.

    Raises UnreachableError where a host cannot be asked.
    """
    moved = set()
    for model, host in dict.fromkeys((step.model, step.host) for step in plan.steps if step.n in done):
        steps = [step for step in plan.steps if (step.model, step.host) == (model, host) and step.n in done]
        if not await _stands(steps, readers[host], newest.latest(host)):
            moved.add(model)
    return frozenset(step.n for step in plan.steps if step.n in done and step.model not in moved)


async def as_before(plan: Plan, readers: Mapping[str, Reader], newest: Newest) -> frozenset[tuple[str, str]]:
    """The models and hosts whose service stands as it did before the plan; one that has to enter a router never does.

    Raises UnreachableError.
    """
    found = set()
    for former in plan.formers:
        snapshot = newest.latest(former.host)
        state = snapshot.services.get(former.model) if snapshot else None
        engine = snapshot.engines.get(former.model) if snapshot else None
        if state is None or former.joining or (state.word is ServiceWord.ACTIVE) is not former.running:
            continue
        if former.running and former.asks_health and not (engine and engine.healthy):
            continue
        if await _has_overlay(former.service, former.overlay, readers[former.host]):
            found.add((former.model, former.host))
    return frozenset(found)


async def overlay_stands(step: Step, reader: Reader) -> bool:
    """Whether a step that writes or removes an overlay would leave what is there already. Raises UnreachableError."""
    return step.action in (Action.WRITE, Action.REMOVE) and await _has_overlay(step.service, step.overlay, reader)


async def _has_overlay(service: str, overlay: str | None, reader: Reader) -> bool:
    """Whether that is its overlay on the host; not where the service is missing there, or cannot be read."""
    named = service_named(service, "none")
    answer = await reader.read(named.definition())
    try:
        return named.parse_definition(answer).overlay == overlay
    except GpudeckError:
        return False


async def _stands(done: list[Step], reader: Reader, snapshot: HostSnapshot | None) -> bool:
    moved = _last(done, Action.STOP, Action.START, Action.WAIT)
    state = snapshot.services.get(done[0].model) if snapshot else None
    runs = state is not None and state.word is ServiceWord.ACTIVE
    if moved is not None and (state is None or runs is (moved.action is Action.STOP)):
        return False
    written = _last(done, Action.WRITE, Action.REMOVE)
    return written is None or await overlay_stands(written, reader)


def _last(steps: list[Step], *actions: Action) -> Step | None:
    return next((step for step in reversed(steps) if step.action in actions), None)
