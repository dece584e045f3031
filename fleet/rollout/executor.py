"""Carrying out a plan, one step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError, UnreachableError
from fleet.planning.plan import Action, Plan, Step
from fleet.readings import HostSnapshot, ServiceReading
from fleet.rollout.diagnosis import why
from fleet.rollout.events import Event, Kind, Outcome, Phase, Result
from fleet.rollout.gates import Drained, Seen, Serving, Stopped
from fleet.rollout.journal import Journal
from fleet.rollout.restoring import restoring
from fleet.services.registry import service_named
from fleet.text import clean

COMMAND_TIMEOUT = 120.0
"""Seconds one command may take; stopping an engine takes longest."""
STOP_TIMEOUT = 180.0
"""Seconds until the driver has taken the memory back."""
LOG_LINES = 300


class OperatorConnection(Protocol):
    """A connection that may change its host."""

    async def read(self, command: Read, timeout: float = ...) -> Answer:
        """Run a command that changes nothing. Raises UnreachableError."""

    async def write(self, command: Write, timeout: float = ...) -> Answer:
        """Run a command that changes the host. Raises UnreachableError where the line is lost: result unknown."""


class Watching(Protocol):
    """Where the newest snapshot of each host is found."""

    def latest(self, host: str) -> HostSnapshot | None:
        """The newest, None before the first."""

    async def until(self, host: str, predicate: Callable[[HostSnapshot], bool], timeout: float) -> HostSnapshot:
        """The first for which the predicate is true. Raises TimeoutError."""


class _StepError(Exception):
    """A step that failed, in a sentence."""


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
    ) -> None:
        """A rollout of a plan.

        Args:
            plan: What to do.
            operators: Connections by host, for every host of the plan.
            board: What is read of the hosts meanwhile.
            journal: Written before each touch.
            on_event: Told everything that happens.
            operator: Who does it, for the journal.
        """
        self.plan = plan
        self._operators = operators
        self._board = board
        self._journal = journal
        self._tell = on_event
        self._operator = operator
        self._go_on = asyncio.Event()
        self._go_on.set()
        self._one_step = False
        self._back = False
        self._begun: list[int] = []
        self._done_models: list[str] = []
        self._before: dict[str, ServiceReading] = {}

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
        """After this step, leave everything as it was before the plan."""
        self._back = True
        self._go_on.set()

    # carrying out

    async def run(self) -> Result:
        """Carry the plan out from its first step. Never raises but for cancellation and a journal that fails."""
        return await self._finish(self._journal.begin(self.plan, self._operator), done=())

    async def go_on_from(self, rollout: int, done: Collection[int]) -> Result:
        """Carry on a rollout of the journal whose steps with these numbers are done."""
        return await self._finish(rollout, done)

    async def restore(self, rollout: int, begun: Collection[int]) -> Result:
        """Undo a rollout of the journal whose steps with these numbers were begun."""
        self._begun = list(begun)
        result = await self._roll_all_back(rollout)
        return self._ended(rollout, result)

    async def _finish(self, rollout: int, done: Collection[int]) -> Result:
        self._begun = list(done)
        try:
            result = await self._forward(rollout, done)
        except UnreachableError as lost:
            result = Result(
                Outcome.UNKNOWN,
                f"{lost.message} What the last step did is not known; look at the host, then resume or roll back.",
                tuple(self._done_models),
            )
            self._tell(Event(Kind.ENDED, result.message))
            return result
        return self._ended(rollout, result)

    def _ended(self, rollout: int, result: Result) -> Result:
        self._journal.end(rollout, result.outcome, result.message)
        self._tell(Event(Kind.ENDED, result.message))
        return result

    async def _forward(self, rollout: int, done: Collection[int]) -> Result:
        for step in self.plan.steps:
            if step.n in done:
                continue
            await self._may_go_on()
            if self._back:
                return await self._roll_all_back(rollout)
            self._begun.append(step.n)
            try:
                await self._take(rollout, Phase.PLAN, step)
            except _StepError as error:
                return await self._recover(rollout, step, str(error))
            if step.action is Action.WAIT:
                self._done_models.append(step.model)
        if self._back:
            return await self._roll_all_back(rollout)
        return Result(Outcome.DONE, "Every step is done.", self._models_done())

    def _models_done(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.model for step in self.plan.steps))

    async def _may_go_on(self) -> None:
        if self.paused:
            self._tell(Event(Kind.PAUSED, "Paused after the last step."))
        await self._go_on.wait()
        if self._one_step:
            self._one_step = False
            self._go_on.clear()

    async def _recover(self, rollout: int, step: Step, sentence: str) -> Result:
        """Leave the model whose step failed as it was, if its memory is still there; the steps before it stand."""
        done = tuple(self._done_models)
        problem = await self._run_back(rollout, restoring(self.plan, self._begun, {step.model}))
        if problem:
            message = f"{sentence} It could not be restored either: {problem}"
            return Result(Outcome.FAILED, message, done, step.model)
        was_running = any(former.running for former in self.plan.formers if former.model == step.model)
        back = "It is back as it was before." if was_running else "It is stopped, as it was before."
        return Result(Outcome.RESTORED, f"{sentence} {back}", done, step.model)

    async def _roll_all_back(self, rollout: int) -> Result:
        problem = await self._run_back(rollout, restoring(self.plan, self._begun))
        if problem:
            return Result(Outcome.FAILED, f"The way back stopped: {problem}")
        return Result(Outcome.ROLLED_BACK, "Everything is back as it was before.")

    async def _run_back(self, rollout: int, steps: tuple[Step, ...]) -> str:
        """Take the steps of a way back; the sentence in which one failed, empty where none did."""
        if steps:
            self._tell(Event(Kind.ROLLING_BACK, "Restoring what was there before.", Phase.ROLLBACK, steps=steps))
        for step in steps:
            try:
                await self._take(rollout, Phase.ROLLBACK, step)
            except _StepError as error:
                return str(error)
        return ""

    # one step

    async def _take(self, rollout: int, phase: Phase, step: Step) -> None:
        touch = self._journal.touch(rollout, phase, step)
        self._tell(Event(Kind.STARTED, phase=phase, step=step))
        try:
            message = await self._carry_out(phase, step)
        except _StepError as error:
            self._journal.touched(touch, "failed", str(error))
            self._tell(Event(Kind.FAILED, str(error), phase, step))
            raise
        except UnreachableError as lost:
            self._journal.touched(touch, "unknown", lost.message)
            self._tell(Event(Kind.FAILED, lost.message, phase, step))
            raise
        self._journal.touched(touch, "done", message)
        self._tell(Event(Kind.DONE, message, phase, step))

    async def _carry_out(self, phase: Phase, step: Step) -> str:
        """Do the step and wait until its gate has seen enough; what is worth saying of it."""
        match step.action:
            case Action.DRAIN:
                return await self._drain(phase, step)
            case Action.STOP:
                await self._run_commands(step)
                await self._watch(phase, step, Stopped(step).see, STOP_TIMEOUT)
            case Action.START:
                await self._start(step)
            case Action.WAIT:
                return await self._wait(phase, step)
            case Action.WRITE | Action.REMOVE:
                await self._run_commands(step)
        return ""

    async def _run_commands(self, step: Step) -> None:
        for command in step.commands:
            answer = await self._operators[step.host].write(command, COMMAND_TIMEOUT)
            if not answer.ok:
                said = clean(answer.stderr) or clean(answer.stdout) or f"it ended with status {answer.exit_status}"
                raise _StepError(f"`{command.line}` on {step.host} failed: {said.rstrip('.')}.")

    async def _start(self, step: Step) -> None:
        snapshot = self._board.latest(step.host)
        if snapshot and step.model in snapshot.services:
            self._before[step.model] = snapshot.services[step.model]
        await self._run_commands(step)

    async def _drain(self, phase: Phase, step: Step) -> str:
        """Wait until nothing runs or waits; past the deadline what is left is cut, and said."""
        try:
            await self._watch(phase, step, Drained(step).see, step.seconds)
        except _StepError:
            snapshot = self._board.latest(step.host)
            left = Drained(step).see(snapshot).waiting_for if snapshot else "some requests"
            return f"{left} were still there after {step.seconds:.0f} s"
        return ""

    async def _wait(self, phase: Phase, step: Step) -> str:
        gate = Serving(step, self._before.get(step.model))
        try:
            return (await self._watch(phase, step, gate.see, 120 + 3 * step.seconds)).remark
        except _StepError as error:
            said = await self._engine_said(step)
            raise _StepError(f"{step.model} did not come up: {said or error}") from None

    async def _engine_said(self, step: Step) -> str:
        """The engine's own words for why it did not start; empty where its log has none."""
        service = service_named(step.service, "none")
        try:
            answer = await self._operators[step.host].read(service.logs(LOG_LINES))
        except GpudeckError:
            return ""
        return why(answer.stdout) if answer.ok else ""

    async def _watch(self, phase: Phase, step: Step, see: Callable[[HostSnapshot], Seen], timeout: float) -> Seen:
        """Feed a gate what is read from now on until it decides. Raises _StepError where it says no, or never says."""
        stale = self._board.latest(step.host)
        last = Seen()

        def decided(snapshot: HostSnapshot) -> bool:
            nonlocal last
            if stale is not None and snapshot.services is stale.services:
                return False  # read before the step touched anything
            seen = see(snapshot)
            if not seen.decided and seen.waiting_for != last.waiting_for:
                self._tell(Event(Kind.PROGRESS, f"waiting for {seen.waiting_for}", phase, step))
            last = seen
            return seen.decided

        try:
            await self._board.until(step.host, decided, timeout)
        except TimeoutError:
            raise _StepError(f"after {timeout:.0f} s it still waits for {last.waiting_for or 'a reading'}.") from None
        if last.failure:
            raise _StepError(f"{last.failure}.")
        return last
