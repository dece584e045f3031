"""What an interrupted rollout's steps left behind, read from the hosts: a journal knows only what was done then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from fleet.commands import Reader
from fleet.planning.plan import Action, Plan, Step
from fleet.readings import HostSnapshot, ServiceWord
from fleet.rollout.events import Phase
from fleet.rollout.journal import Touch
from fleet.secrets import masked
from fleet.services.detached import Progress, State, why_failed
from fleet.services.registry import service_named

_DONE_BY_COMMANDS = (Action.WRITE, Action.REMOVE, Action.START)
"""Steps that wait for nothing after their commands; all others are taken again."""


class Newest(Protocol):
    """Where the newest snapshot of each host is found."""

    def latest(self, host: str) -> HostSnapshot | None:
        """The newest, None before the first."""


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

    Raises:
        UnreachableError: A host cannot be asked.
        GpudeckError: A service is missing on its host, or its definition cannot be read.
    """
    moved = set()
    for model, host in dict.fromkeys((step.model, step.host) for step in plan.steps if step.n in done):
        steps = [step for step in plan.steps if (step.model, step.host) == (model, host) and step.n in done]
        if not await _stands(steps, readers[host], newest.latest(host)):
            moved.add(model)
    return frozenset(step.n for step in plan.steps if step.n in done and step.model not in moved)


async def _stands(done: list[Step], reader: Reader, snapshot: HostSnapshot | None) -> bool:
    moved = _last(done, Action.STOP, Action.START, Action.WAIT)
    state = snapshot.services.get(done[0].model) if snapshot else None
    runs = state is not None and state.word is ServiceWord.ACTIVE
    if moved is not None and (state is None or runs is (moved.action is Action.STOP)):
        return False
    written = _last(done, Action.WRITE, Action.REMOVE)
    if written is None:
        return True
    service = service_named(written.service, "none")
    definition = service.parse_definition(await reader.read(service.definition()))
    return definition.overlay == written.overlay


def _last(steps: list[Step], *actions: Action) -> Step | None:
    return next((step for step in reversed(steps) if step.action in actions), None)
