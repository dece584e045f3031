"""Carrying out a plan, one step at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

from fleet.errors import GpudeckError, UnreachableError
from fleet.planning.plan import Action, Plan, Step
from fleet.planning.replay import breaches
from fleet.rollout.events import Event, Kind, Outcome, Phase, Result
from fleet.rollout.hosts import Hosts
from fleet.rollout.journal import Journal, JournalError
from fleet.rollout.lock import LockLostError
from fleet.rollout.progress import entangled, finished, seconds_until_whole, serving
from fleet.rollout.restoring import restoring, stop
from fleet.rollout.resuming import as_before, overlay_stands, still_standing
from fleet.rollout.stepping import OperatorConnection, StepError, Stepper, Watching

WAYS_ON = "`gpudeck apply --rollback` goes back, `--resume` goes on, and `--accept` leaves everything as it stands."
MayStop = Callable[[tuple[str, ...]], Awaitable[bool]]
"""Asked whether these models, which serve, may be stopped for another's way back."""
MayBegin = Callable[[float], str]
"""Asked whether what takes so many seconds may be begun now: why not, as a sentence; empty where it may."""


async def _always(models: tuple[str, ...]) -> bool:
    return True


def _at_any_time(seconds: float) -> str:
    return ""


class Rollout:
    """One plan being carried out. Whoever watches is told by events; nothing here knows a screen."""

    def __init__(
        self,
        plan: Plan,
        operators: Mapping[str, OperatorConnection],
        board: Watching,
        journal: Journal,
        on_event: Callable[[Event], None],
        *,
        operator: str,
        take_over: str = "",
        may_stop: MayStop = _always,
        may_begin: MayBegin = _at_any_time,
        max_failures: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """A rollout of a plan.

        Args:
            plan: What to do.
            operators: Connections by host, for every host of the plan.
            board: What is read of the hosts meanwhile.
            journal: Written before each touch.
            on_event: Told everything that happens.
            operator: Who does it, for the journal and for the locks on the hosts.
            take_over: Whose lock may be taken, where one is held.
            may_stop: Asked before a model's way back stops others that serve as the plan wants them; where they may
                not be stopped, everything is left as it stands.
            may_begin: Asked before a model is begun while no other is half done; where it may not be, the rest is left.
            max_failures: It ends when so many models have failed. Until a model has come up well, one is enough.
            clock: Unix seconds.
        """
        self.plan = plan
        self._operators = operators
        self._board = board
        self._journal = journal
        self._operator = operator
        self._tell = on_event
        self._take_over = take_over
        self._may_stop = may_stop
        self._may_begin = may_begin
        self._max_failures = max_failures
        self._go_on = asyncio.Event()
        self._go_on.set()
        self._one_step = False
        self._back = False
        self._begun: set[int] = set()
        self._done: set[int] = set()
        self._given_up: set[str] = set()
        """Models that are back as they were, because they failed or could not stay without one that did."""
        self._failures: list[Result] = []
        self._stepper = Stepper(operators, board, {former.host: former.become for former in plan.formers})
        self._hosts = Hosts(plan, operators, board, journal, operator, clock)

    # what the operator can ask for meanwhile

    @property
    def paused(self) -> bool:
        """Whether it waits, or will after this step."""
        return not self._go_on.is_set()

    def pause(self) -> None:
        """Wait after this step."""
        self._go_on.clear()

    def resume(self) -> None:
        """Go on."""
        self._one_step = False
        self._go_on.set()

    def single_step(self) -> None:
        """Take one more step, then wait."""
        self._one_step = True
        self._go_on.set()

    def roll_back(self) -> None:
        """After this step, or in the middle of its waiting, leave everything as it was before the plan."""
        self._back = True
        self._go_on.set()

    # carrying out

    async def run(self) -> Result:
        """Carry the plan out from its first step.

        Raises GpudeckError only where the journal cannot be written, holds an unfinished rollout, or is claimed.
        """
        rollout = self._journal.begin(self.plan, self._operator)
        try:
            await self._hosts.lock(rollout, self._take_over)
        except GpudeckError as error:
            return self._ended(rollout, Result(Outcome.FAILED, f"Nothing was done: {error}"))
        except asyncio.CancelledError:
            self._ended(rollout, Result(Outcome.FAILED, "Interrupted; nothing was done."))
            raise
        return await self._finish(rollout, self._forward(rollout))

    async def go_on_from(self, rollout: int, done: Collection[int]) -> Result:
        """Carry on a rollout of the journal whose steps with these numbers are said to be done.

        What does not stand on the host any more is done again.
        Raises GpudeckError as `run` does, and LockedError where another operator has a host.
        """
        self._journal.claim()
        await self._hosts.lock(rollout, self._take_over)
        return await self._finish(rollout, self._resumed(rollout, done))

    async def restore(self, rollout: int, begun: Collection[int]) -> Result:
        """Undo a rollout of the journal whose steps with these numbers were begun. Raises as `go_on_from`."""
        self._journal.claim()
        await self._hosts.lock(rollout, self._take_over)
        self._begun = set(begun)
        return await self._finish(rollout, self._restored(rollout))

    async def accept(self, rollout: int, done: Collection[int]) -> Result:
        """End a rollout of the journal, and leave everything as it stands on its hosts now. Raises as `go_on_from`.

        Also where a host cannot be asked any more: how that one stands is not known then, and is said.
        """
        self._journal.claim()
        try:
            await self._hosts.lock(rollout, self._take_over)
        except UnreachableError as lost:
            return self._ended(rollout, Result(Outcome.ACCEPTED, f"{lost.message} How it stands there is not known."))
        return await self._finish(rollout, self._accepted(rollout, done))

    async def _finish(self, rollout: int, work: Awaitable[Result]) -> Result:
        try:
            result = await work
            if not result.outcome.is_open:
                self._journal.end(rollout, result.outcome, result.message)
            await self._hosts.leave(rollout)
        except UnreachableError as lost:
            unknown = f"{lost.message} What the last step did is not known; look at the host, then resume or roll back."
            result = Result(Outcome.UNKNOWN, unknown, finished(self.plan, self._done))
        except LockLostError as taken:
            result = Result(Outcome.UNKNOWN, str(taken), finished(self.plan, self._done))
        except JournalError as error:
            result = Result(Outcome.UNKNOWN, f"{error} {WAYS_ON}", finished(self.plan, self._done))
        except asyncio.CancelledError:
            self._tell(Event(Kind.ENDED, self._how_left()))
            raise
        self._tell(Event(Kind.ENDED, result.message))
        return result

    def _ended(self, rollout: int, result: Result) -> Result:
        self._journal.end(rollout, result.outcome, result.message)
        self._tell(Event(Kind.ENDED, result.message))
        return result

    def _how_left(self) -> str:
        """What an operator who interrupts a rollout should know."""
        step = self._hosts.under_way
        left = f"; {step.host} finishes {step.action} {step.model}, the step under way, if begun" if step else ""
        return f"Interrupted{left}. `gpudeck apply --resume` goes on, `gpudeck apply --rollback` takes all back."

    async def _resumed(self, rollout: int, done: Collection[int]) -> Result:
        await self._note_what_stands(rollout, done)
        return await self._forward(rollout)

    async def _accepted(self, rollout: int, done: Collection[int]) -> Result:
        await self._note_what_stands(rollout, done)
        as_asked = finished(self.plan, self._done)
        words = f"as the plan wants them: {', '.join(as_asked) or 'none'}"
        return Result(Outcome.ACCEPTED, f"Everything is left as it stands; {words}.", as_asked)

    async def _note_what_stands(self, rollout: int, done: Collection[int]) -> None:
        done = {*done, *await self._settled(rollout)}
        self._begun = set(done) - await self._untouched()
        self._done = set(await still_standing(self.plan, done, self._operators, self._board))
        self._done -= self._out_of_router(rollout)

    async def _restored(self, rollout: int) -> Result:
        await self._settled(rollout)
        self._begun -= await self._untouched()
        return await self._roll_all_back(rollout)

    def _out_of_router(self, rollout: int) -> set[int]:
        """The steps that brought a model into service which a way back may have taken out of it again."""
        back = {(touch.model, touch.host) for touch in self._journal.touches(rollout) if touch.phase is Phase.ROLLBACK}
        waits = (step for step in self.plan.steps if step.action is Action.WAIT and step.commands)
        return {step.n for step in waits if (step.model, step.host) in back}

    async def _untouched(self) -> set[int]:
        """The steps of services that stand as they did before the plan, be it that a way back came so far."""
        formers = await as_before(self.plan, self._operators, self._board)
        return {step.n for step in self.plan.steps if (step.model, step.host) in formers}

    async def _settled(self, rollout: int) -> Collection[int]:
        """Wait for the step that was under way; the number of a step of the plan that is done by that."""

        def told(words: str) -> None:
            self._tell(Event(Kind.PROGRESS, words))

        how = await self._hosts.settle(rollout, told)
        if how is None:
            return ()
        told(how.sentence)
        return how.done

    async def _forward(self, rollout: int) -> Result:
        for step in self.plan.steps:
            if step.n in self._done or step.model in self._given_up:
                continue
            await self._may_go_on()
            if self._back:
                return await self._roll_all_back(rollout)
            refusal = self._not_now(step)
            if refusal:
                return Result(Outcome.STOPPED, refusal, finished(self.plan, self._done))
            self._begun.add(step.n)
            try:
                await self._take(rollout, Phase.PLAN, step)
            except StepError as error:
                result = await self._recover(rollout, step, str(error))
                if not self._may_go_on_without(result):
                    return result
                continue
            self._done.add(step.n)
        if self._back:
            return await self._roll_all_back(rollout)
        for step in serving(self.plan, self._done):
            how = self._stepper.ended(step)
            if how:
                self._done.discard(step.n)
                return await self._recover(rollout, step, f"{step.model} came up, and since then {how}.")
        done = finished(self.plan, self._done)
        if not self._failures:
            return Result(Outcome.DONE, "Every step is done.", done)
        said = " ".join(failure.message for failure in self._failures)
        return Result(Outcome.RESTORED, f"{said} All others are done.", done, self._failures[0].failed)

    def _not_now(self, step: Step) -> str:
        """Why no other model may be begun with this step; empty where it may, or one is half done already."""
        seconds = seconds_until_whole(self.plan, self._begun, self._done, step)
        refusal = self._may_begin(seconds) if seconds else ""
        left = dict.fromkeys(other.model for other in self.plan.steps if other.n not in self._done | self._begun)
        return f"{refusal} Not begun: {', '.join(left)}." if refusal else ""

    def _may_go_on_without(self, result: Result) -> bool:
        """Whether the rest goes on after a failure: what failed is back, and what is left is proven without it."""
        if result.outcome is not Outcome.RESTORED or not result.done:
            return False
        self._failures.append(result)
        rest = tuple(step for step in self.plan.steps if step.model not in self._given_up)
        return len(self._failures) < self._max_failures and not breaches(replace(self.plan, steps=rest))

    async def _may_go_on(self) -> None:
        if self.paused:
            self._tell(Event(Kind.PAUSED, "Paused after the last step."))
        await self._go_on.wait()
        if self._one_step:
            self._one_step = False
            self._go_on.clear()

    async def _recover(self, rollout: int, step: Step, sentence: str) -> Result:
        """Leave the model whose step failed as it was, and those it cannot go back without; the rest stands."""
        if self._back:
            return await self._roll_all_back(rollout)
        if step.action is Action.STOP and await self._stepper.still_runs(step):
            self._begun.discard(step.n)
        back = entangled(self.plan, self._begun, self._done, step.model)
        healthy = tuple(model for model in finished(self.plan, self._done) if model in back)
        if healthy and not await self._may_stop(healthy):
            kept = f"{', '.join(healthy)} would have had to be stopped, so everything is left as it stands now."
            return Result(Outcome.FAILED, f"{sentence} {kept} {WAYS_ON}", finished(self.plan, self._done), step.model)
        done = tuple(model for model in finished(self.plan, self._done) if model not in back)
        problem = await self._run_back(rollout, self._way_back(back))
        if problem:
            message = f"{sentence} It could not be restored either: {problem} {WAYS_ON}"
            return Result(Outcome.FAILED, message, done, step.model)
        self._give_up(back)
        return Result(Outcome.RESTORED, f"{sentence} {self._how_restored(step.model, back)}", done, step.model)

    def _give_up(self, models: Collection[str]) -> None:
        """These are as they were: nothing of them is left to undo, nor to be done."""
        self._given_up |= set(models)
        gone = {step.n for step in self.plan.steps if step.model in models}
        self._begun -= gone
        self._done -= gone

    def _how_restored(self, failed: str, back: Collection[str]) -> str:
        if len(back) > 1:
            return f"{', '.join(sorted(back))} are back as they were before."
        was_running = any(former.running for former in self.plan.formers if former.model == failed)
        return "It is back as it was before." if was_running else "It is stopped, as it was before."

    async def _roll_all_back(self, rollout: int) -> Result:
        problem = await self._run_back(rollout, self._way_back(None))
        if problem:
            return Result(Outcome.FAILED, f"The way back stopped: {problem} {WAYS_ON}")
        return Result(Outcome.ROLLED_BACK, "Everything is back as it was before.")

    def _way_back(self, models: Collection[str] | None) -> tuple[Step, ...]:
        ended = [former for former in self.plan.formers if self._stepper.ended(former)]
        return restoring(self.plan, self._begun, models, ended)

    async def _run_back(self, rollout: int, steps: tuple[Step, ...]) -> str:
        """Take the steps of a way back; the sentence in which one failed, empty where none did."""
        if steps:
            self._tell(Event(Kind.ROLLING_BACK, "Restoring what was there before.", Phase.ROLLBACK, steps=steps))
        for step in steps:
            try:
                await self._take(rollout, Phase.ROLLBACK, step)
            except StepError as error:
                if await overlay_stands(step, self._operators[step.host]):
                    continue  # the host refused what would have changed nothing
                return str(error) + (await self._end_loop(rollout, step) if error.loops else "")
        return ""

    async def _end_loop(self, rollout: int, step: Step) -> str:
        """Stop what ends and is started again, on the way back too; how that went."""
        former = next(each for each in self.plan.formers if (each.model, each.host) == (step.model, step.host))
        try:
            await self._take(rollout, Phase.ROLLBACK, replace(stop(former), n=step.n + 1))
        except StepError as error:
            return f" It could not be stopped: {error}"
        return " It is stopped now."

    # one step

    async def _take(self, rollout: int, phase: Phase, step: Step) -> None:
        def waiting_for(what: str) -> None:
            self._tell(Event(Kind.PROGRESS, what, phase, step))

        await self._hosts.tell(rollout, step, waiting_for)
        touch = self._journal.touch(rollout, phase, step)
        self._tell(Event(Kind.STARTED, phase=phase, step=step))
        try:
            async with self._hosts.kept(step):
                run = partial(self._hosts.run, rollout, touch, step, waiting_for)
                message = await self._stepper.take(step, run, waiting_for, lambda: self._back and phase is Phase.PLAN)
        except StepError as error:
            self._journal.touched(touch, "failed", str(error))
            self._tell(Event(Kind.FAILED, str(error), phase, step))
            raise
        except UnreachableError as lost:
            self._journal.touched(touch, "unknown", lost.message)
            self._tell(Event(Kind.FAILED, lost.message, phase, step))
            raise
        self._journal.touched(touch, "done", message)
        self._tell(Event(Kind.DONE, message, phase, step))
