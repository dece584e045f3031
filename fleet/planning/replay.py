"""A plan taken on paper: every state it passes through, worked out anew from what its steps say.

Nothing here knows how an order is found, so a fault there is seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet.model import GpuId
from fleet.planning.plan import Action, Former, Plan, Step
from fleet.units import gib

Key = tuple[str, str]
"""A model and a host."""


@dataclass(frozen=True, slots=True)
class Stood:
    """How one model's service stands on one host."""

    running: bool
    overlay: str | None
    held: tuple[tuple[GpuId, int], ...] = ()
    """Bytes by GPU, ascending."""


class Replay:
    """The hosts as a plan's steps leave them, on paper."""

    def __init__(self, plan: Plan) -> None:
        """As they stand before the plan."""
        self.stood = {(former.model, former.host): _before(former) for former in plan.formers}
        self.free = dict(plan.free_bytes)
        self._starting: dict[Key, Step] = {}

    @property
    def unfinished(self) -> tuple[Step, ...]:
        """Starts that nobody waited for yet."""
        return tuple(self._starting.values())

    def copies(self, model: str) -> int:
        """On how many hosts it runs."""
        return sum(each.running for (name, _), each in self.stood.items() if name == model)

    def take(self, step: Step) -> list[str]:
        """Take a step; what is wrong with it, a sentence each."""
        key = step.model, step.host
        now = self.stood.get(key, Stood(False, None))
        wrong = list(self._wrong(step, now))
        match step.action:
            case Action.STOP:
                self._free(now.held, 1)
                self.stood[key] = Stood(False, now.overlay)
            case Action.START:
                self.stood[key] = Stood(True, now.overlay, tuple((hold.gpu, hold.held_bytes) for hold in step.holds))
                self._free(self.stood[key].held, -1)
                self._starting[key] = step
            case Action.WAIT:
                self._starting.pop(key, None)
            case Action.WRITE | Action.REMOVE:
                self.stood[key] = Stood(now.running, step.overlay, now.held)
        return wrong

    def _wrong(self, step: Step, now: Stood) -> Iterator[str]:
        if step.action in (Action.START, Action.STOP):
            yield from self._busy(step)
        if step.action is Action.STOP and not now.running:
            yield f"it stops {step.model} on {step.host}, where it does not run"
        if step.action in (Action.WRITE, Action.REMOVE) and now.running:
            yield f"it changes how {step.model} is run on {step.host} while it runs"
        if step.action is Action.WAIT and (step.model, step.host) not in self._starting:
            yield f"it waits for {step.model} on {step.host}, which was not started"
        if step.action is Action.START:
            if now.running:
                yield f"it starts {step.model} on {step.host}, where it runs already"
            yield from self._short(step)

    def _busy(self, step: Step) -> Iterator[str]:
        """One start or stop at a time on a GPU: two engines that load together mistake each other's memory."""
        mine = set(step.gpus)
        for other in self._starting.values():
            if other is not step and mine & set(other.gpus):
                yield f"{other.model} is still starting on {', '.join(map(str, sorted(mine & set(other.gpus))))}"

    def _short(self, step: Step) -> Iterator[str]:
        if {hold.gpu for hold in step.holds} != set(step.gpus):
            yield f"it does not say what {step.model} takes of each of its GPUs"
        for hold in step.holds:
            left = self.free.get(hold.gpu, 0)
            if step.fits and hold.needs_bytes > left:
                yield (
                    f"{step.model} needs {gib(hold.needs_bytes)} GiB free on {hold.gpu} to start, {gib(left)} will be"
                )
            if hold.held_bytes > hold.needs_bytes:
                yield f"{step.model} would hold more of {hold.gpu} than its start is said to need"
        told = (step.needs_bytes, step.free_bytes)
        if step.free_bytes is not None and told not in {(h.needs_bytes, self.free.get(h.gpu, 0)) for h in step.holds}:
            yield f"it counts on {gib(step.free_bytes)} GiB free, which none of its GPUs has"

    def _free(self, sizes: Iterable[tuple[GpuId, int]], sign: int) -> None:
        for gpu, size in sizes:
            self.free[gpu] = self.free.get(gpu, 0) + sign * size


def _before(former: Former) -> Stood:
    return Stood(former.running, former.overlay, tuple((hold.gpu, hold.held_bytes) for hold in former.holds))


def breaches(plan: Plan) -> tuple[str, ...]:
    """What is wrong with a plan's steps, one sentence each; a start the plan itself calls unproven is not.

    Each start must find what it needs on the state the earlier steps leave; on a GPU nothing starts or stops while
    another start is under way; and at the end nothing runs twice.
    """
    replay = Replay(plan)
    found = [f"Step {step.n}: {wrong}." for step in plan.steps for wrong in replay.take(step)]
    found += [f"Nothing waits until {step.model} serves." for step in replay.unfinished]
    models: Iterable[str] = dict.fromkeys(step.model for step in plan.steps)
    found += [f"{model} runs twice in the end." for model in models if replay.copies(model) > 1]
    return tuple(found)
