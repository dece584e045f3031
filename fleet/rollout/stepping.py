"""Taking one step: its commands, and then its gate until it has seen enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from fleet.commands import Read, Writer
from fleet.errors import GpudeckError, UnreachableError
from fleet.planning.plan import Action, Former, Step
from fleet.readings import HostSnapshot, ServiceReading, ServiceWord
from fleet.rollout.diagnosis import why
from fleet.rollout.gates import Drained, Seen, Serving, Startable, Stopped
from fleet.rollout.watching import READING_TIMEOUT, Watching, read_anew
from fleet.secrets import masked
from fleet.services.registry import service_named
from fleet.telemetry.logs import read_log
from fleet.text import clean

STOP_TIMEOUT = 180.0
"""Seconds until the driver has taken the memory back."""
CHECK_TIMEOUT = 60.0
"""Seconds one try of the operator's own health command may take."""
CHECKS = 30
"""Tries of it, one with every reading, before the model is said not to serve."""
LOG_LINES = 300


Run = Callable[[], Awaitable[None]]


class StepError(Exception):
    """A step that failed, in a sentence."""

    def __init__(self, sentence: str, *, loops: bool = False) -> None:
        super().__init__(sentence)
        self.loops = loops
        """Whether what was started ends and is started again, until somebody stops it."""


class Stepper:
    """Takes steps on hosts, and watches what comes of them."""

    def __init__(self, operators: Mapping[str, Writer], board: Watching, becomes: Mapping[str, str]) -> None:
        """Over connections and ways to become root by host, and the board their readings are put on."""
        self._operators = operators
        self._becomes = becomes
        self._board = board
        self._before: dict[str, ServiceReading] = {}
        seen = {host: board.latest(host) for host in operators}
        self._first = {host: snapshot.reading for host, snapshot in seen.items() if snapshot}
        """Hosts as they were read before any step."""

    async def take(self, step: Step, run: Run, told: Callable[[str], None], called_off: Callable[[], bool]) -> str:
        """Do the step and wait until its gate has seen enough.

        Args:
            step: The step; safe to take again.
            run: Runs its commands on its host, and raises as this does.
            told: Called with what it waits for, whenever that changes.
            called_off: Whether its waiting should end now.

        Returns:
            What is worth saying of it; mostly nothing.

        Raises:
            StepError: It failed, or was called off.
            UnreachableError: The line was lost: what it did is not known.
        """
        match step.action:
            case Action.DRAIN:
                await run()
                return await self._drain(step, told, called_off)
            case Action.STOP:
                await run()
                await self._watch(step, Stopped(step, self._first.get(step.host)).see, STOP_TIMEOUT, told, called_off)
            case Action.START:
                await self._startable(step, told, called_off)
                self._note_before(step)
                await run()
            case Action.WAIT:
                remark = await self._wait(step, told, called_off)
                await run()
                return remark
            case Action.WRITE | Action.REMOVE:
                await run()
        return ""

    async def still_runs(self, step: Step) -> bool:
        """Whether the service runs by a reading begun after now; whoever failed to stop it may not have touched it."""
        try:
            fresh = await read_anew(self._board, step.host)
        except UnreachableError:
            return False
        return step.model in fresh.services and fresh.services[step.model].word is ServiceWord.ACTIVE

    def ended(self, of: Step | Former) -> str:
        """How its service ended, by the newest reading; empty where it runs, or has not been read."""
        seen = self._board.latest(of.host)
        state = seen.services.get(of.model) if seen else None
        if state is None or state.word not in (ServiceWord.FAILED, ServiceWord.STOPPED):
            return ""
        return f"its service failed ({state.result})" if state.word is ServiceWord.FAILED else "its process ended"

    async def _startable(self, step: Step, told: Callable[[str], None], called_off: Callable[[], bool]) -> None:
        """Wait until its GPUs are fit for it; at once where the newest reading says so."""
        gate = Startable(step, self._first.get(step.host))
        seen = self._board.latest(step.host)
        if seen is None or not gate.see(seen).done:
            await self._watch(step, gate.see, STOP_TIMEOUT, told, called_off)

    def _note_before(self, step: Step) -> None:
        snapshot = self._board.latest(step.host)
        if snapshot and step.model in snapshot.services:
            self._before[step.model] = snapshot.services[step.model]

    async def _drain(self, step: Step, told: Callable[[str], None], called_off: Callable[[], bool]) -> str:
        """Wait until nothing runs or waits; past the deadline what is left is cut, and said."""
        try:
            await self._watch(step, Drained(step).see, step.seconds, told, called_off)
        except StepError:
            snapshot = self._board.latest(step.host)
            left = Drained(step).see(snapshot).waiting_for if snapshot else "some requests"
            return f"{left} {'was' if left == '1 request' else 'were'} still there after {step.seconds:.0f} s"
        return ""

    async def _wait(self, step: Step, told: Callable[[str], None], called_off: Callable[[], bool]) -> str:
        gate = Serving(step, self._before.get(step.model))
        timeout = step.timeout or 120 + 3 * step.seconds
        try:
            remark = (await self._watch(step, gate.see, timeout, told, called_off)).remark
        except StepError as error:
            if called_off():
                raise
            said = await self._engine_said(step)
            why = (said or str(error)).rstrip(".")
            raise StepError(f"{step.model} did not come up: {why}.", loops=error.loops) from None
        await self._check(step, told, called_off)
        return remark

    async def _check(self, step: Step, told: Callable[[str], None], called_off: Callable[[], bool]) -> None:
        """Ask the operator's own command, once with every reading, until it succeeds."""
        said = ""
        for _ in range(CHECKS if step.check else 0):
            try:
                answer = await self._operators[step.host].read(Read(step.check), CHECK_TIMEOUT)
            except UnreachableError as lost:
                said = lost.message
            else:
                if answer.ok:
                    return
                said = masked(clean(answer.stderr) or clean(answer.stdout)) or f"status {answer.exit_status}"
            told(f"waiting for its health command to succeed: {said}")
            if called_off():
                break
            await self._next_reading(step.host)
        if step.check:
            raise StepError(f"{step.model} came up, and its health command fails: {said.rstrip('.')}.")

    async def _next_reading(self, host: str) -> None:
        seen = self._board.latest(host)
        with suppress(TimeoutError):
            await self._board.until(host, lambda new: new is not seen, READING_TIMEOUT)

    async def _engine_said(self, step: Step) -> str:
        """The engine's own words for why it did not start; empty where its log has none."""
        service, become = service_named(step.service, "none"), self._becomes.get(step.host, "none")
        try:
            return why(await read_log(self._operators[step.host], service, LOG_LINES, become))
        except GpudeckError:
            return ""

    async def _watch(
        self,
        step: Step,
        see: Callable[[HostSnapshot], Seen],
        timeout: float,
        told: Callable[[str], None],
        called_off: Callable[[], bool],
    ) -> Seen:
        """Feed a gate what is read from now on until it decides. Raises StepError where it says no, or never says."""
        stale = self._board.latest(step.host)
        last = Seen()

        def decided(snapshot: HostSnapshot) -> bool:
            nonlocal last
            if stale is not None and snapshot.services is stale.services:
                return False  # read before the step touched anything
            seen = see(snapshot)
            if not seen.decided and seen.waiting_for != last.waiting_for:
                told(f"waiting for {seen.waiting_for}")
            last = seen
            return seen.decided or called_off()

        try:
            await self._board.until(step.host, decided, timeout)
        except TimeoutError:
            raise StepError(f"after {timeout:.0f} s it still waits for {last.waiting_for or 'a reading'}.") from None
        if last.failure:
            raise StepError(f"{last.failure}.", loops=last.loops)
        if not last.done:
            raise StepError("it was called off.")
        return last
