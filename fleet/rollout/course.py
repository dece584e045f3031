"""The course of a rollout from step to step: the state machine.

    forward ── a step fails ──▶ recover ── it is back as it was, and more may fail ──▶ forward
       │                           └── otherwise ──▶ restored, failed
       ├── the operator wants it back ──▶ back ──▶ rolled back, failed
       └── no step is left, or no other model may be begun ──▶ done, stopped
    any of them, between two steps ── the operator leaves it ──▶ left

A lost line, a lost lock and a journal that cannot be written end it wherever it is: they are raised to the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace

from fleet.commands import Reader
from fleet.planning.plan import Action, Step
from fleet.planning.replay import breaches
from fleet.rollout.events import WAYS_ON, Event, Kind, Outcome, Phase, Result
from fleet.rollout.progress import seconds_until_whole, serving
from fleet.rollout.restoring import restoring, stop
from fleet.rollout.resuming import overlay_stands
from fleet.rollout.standing import Standing
from fleet.rollout.steering import Steered
from fleet.rollout.stepping import StepError, Stepper

Take = Callable[[Phase, Step], Awaitable[None]]
"""Takes one step: `fleet.rollout.taking.Taker.take`."""
MayStop = Callable[[tuple[str, ...]], Awaitable[bool]]
"""Asked whether these models, which serve, may be stopped for another's way back."""
MayBegin = Callable[[float], str]
"""Asked whether what takes so many seconds may be begun now: why not, as a sentence; empty where it may."""


async def always(models: tuple[str, ...]) -> bool:
    """Every model may be stopped."""
    return True


def at_any_time(seconds: float) -> str:
    """Everything may be begun."""
    return ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rollout may do without asking, and when it gives up."""

    may_stop: MayStop = always
    """Asked before a model's way back stops others that serve as the plan wants them."""
    may_begin: MayBegin = at_any_time
    """Asked before a model is begun while no other is half done."""
    max_failures: int = 1
    """It ends when so many models have failed. Until a model has come up well, one is enough."""


class Course:
    """One plan on its way, over hosts that are locked for it."""

    def __init__(
        self,
        standing: Standing,
        take: Take,
        stepper: Stepper,
        readers: Mapping[str, Reader],
        steered: Steered,
        limits: Limits,
        tell: Callable[[Event], None],
    ) -> None:
        """From where it stands; ``steered`` is heeded between steps, and ``readers`` are the plan's hosts."""
        self._plan = standing.plan
        self._standing = standing
        self._take = take
        self._stepper = stepper
        self._readers = readers
        self._steered = steered
        self._limits = limits
        self._tell = tell
        self._failures: list[Result] = []

    async def forward(self) -> Result:
        """Take every step that is not done. Raises as `Taker.take`, but for StepError, and LeftError."""
        for step in self._plan.steps:
            if step.n in self._standing.done or step.model in self._standing.given_up:
                continue
            if not self._steered.back:
                await self._steered.turn(self._pauses)
            if self._steered.back:
                return await self.back()
            refusal = self._not_now(step)
            if refusal:
                return Result(Outcome.STOPPED, refusal, self._standing.finished)
            try:
                await self._step(Phase.PLAN, step)
            except StepError as error:
                result = await self._recover(step, str(error))
                if not self._may_go_on_without(result):
                    return result
        if self._steered.back:
            return await self.back()
        return await self._arrived()

    async def back(self) -> Result:
        """Leave everything that was begun as it was before the plan. Raises as `forward`."""
        problem = await self._go_back(self._way_back(None))
        if problem:
            return Result(Outcome.FAILED, f"The way back stopped: {problem} {self._standing.words} {WAYS_ON}")
        return Result(Outcome.ROLLED_BACK, "Everything is back as it was before.")

    async def _arrived(self) -> Result:
        """Every step is done: what came up must serve still."""
        for step in serving(self._plan, self._standing.done):
            how = self._stepper.ended(step)
            if how:
                self._standing.done.discard(step.n)
                return await self._recover(step, f"{step.model} came up, and since then {how}.")
        if not self._failures:
            return Result(Outcome.DONE, "Every step is done.", self._standing.finished)
        said = " ".join(failure.message for failure in self._failures)
        return Result(
            Outcome.RESTORED, f"{said} All others are done.", self._standing.finished, self._failures[0].failed
        )

    async def _recover(self, step: Step, sentence: str) -> Result:
        """Leave the model whose step failed as it was, and those it cannot go back without; the rest stands."""
        standing = self._standing
        if self._steered.back:
            return await self.back()
        if step.action is Action.STOP and await self._stepper.still_runs(step):
            standing.never_began(step)
        back = standing.entangled_with(step.model)
        healthy = tuple(model for model in standing.finished if model in back)
        if healthy and not await self._limits.may_stop(healthy):
            kept = f"{', '.join(healthy)} would have had to be stopped, so everything is left as it stands now."
            message = f"{sentence} {kept} {standing.words} {WAYS_ON}"
            return Result(Outcome.FAILED, message, standing.finished, step.model)
        done = tuple(model for model in standing.finished if model not in back)
        problem = await self._go_back(self._way_back(back))
        if problem:
            message = f"{sentence} It could not be restored either: {problem} {standing.words} {WAYS_ON}"
            return Result(Outcome.FAILED, message, done, step.model)
        standing.give_up(back)
        if self._steered.back:
            return await self.back()
        return Result(Outcome.RESTORED, f"{sentence} {self._how_restored(step.model, back)}", done, step.model)

    def _may_go_on_without(self, result: Result) -> bool:
        """Whether the rest goes on after a failure: what failed is back, and what is left is proven without it."""
        if result.outcome is not Outcome.RESTORED or not result.done:
            return False
        self._failures.append(result)
        rest = tuple(step for step in self._plan.steps if step.model not in self._standing.given_up)
        return len(self._failures) < self._limits.max_failures and not breaches(replace(self._plan, steps=rest))

    def _how_restored(self, failed: str, back: Collection[str]) -> str:
        if len(back) > 1:
            return f"{', '.join(sorted(back))} are back as they were before."
        was_running = any(former.running for former in self._plan.formers if former.model == failed)
        return "It is back as it was before." if was_running else "It is stopped, as it was before."

    def _not_now(self, step: Step) -> str:
        """Why no other model may be begun with this step; empty where it may, or one is half done already."""
        begun, done = self._standing.begun, self._standing.done
        seconds = seconds_until_whole(self._plan, begun, done, step)
        refusal = self._limits.may_begin(seconds) if seconds else ""
        left = dict.fromkeys(other.model for other in self._plan.steps if other.n not in done | begun)
        return f"{refusal} Not begun: {', '.join(left)}." if refusal else ""

    def _way_back(self, models: Collection[str] | None) -> tuple[Step, ...]:
        ended = [former for former in self._plan.formers if self._stepper.ended(former)]
        return restoring(self._plan, self._standing.begun, models, ended)

    async def _go_back(self, steps: tuple[Step, ...]) -> str:
        """Take the steps of a way back; the sentence in which one failed, empty where none did."""
        if steps:
            self._tell(Event(Kind.ROLLING_BACK, "Restoring what was there before.", Phase.ROLLBACK, steps=steps))
        self._standing.turns_back(steps)
        for step in steps:
            await self._steered.turn(self._pauses)
            try:
                await self._step(Phase.ROLLBACK, step)
            except StepError as error:
                if not await overlay_stands(step, self._readers[step.host]):
                    return str(error) + (await self._end_loop(step) if error.loops else "")
                self._standing.ends(Phase.ROLLBACK, step)  # the host refused what would have changed nothing
        return ""

    async def _end_loop(self, step: Step) -> str:
        """Stop what ends and is started again, on the way back too; how that went."""
        former = next(each for each in self._plan.formers if (each.model, each.host) == (step.model, step.host))
        try:
            await self._step(Phase.ROLLBACK, replace(stop(former), n=step.n + 1))
        except StepError as error:
            return f" It could not be stopped: {error}"
        return " It is stopped now."

    async def _step(self, phase: Phase, step: Step) -> None:
        self._standing.begins(phase, step)
        try:
            await self._take(phase, step)
        except StepError:
            self._steered.heed_leaving()
            raise
        self._standing.ends(phase, step)

    def _pauses(self) -> None:
        self._tell(Event(Kind.PAUSED, "Paused after the last step."))
