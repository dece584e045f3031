"""Carrying out a plan: begun, taken up again, taken back or accepted, over hosts that are locked for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

from fleet.commands import Writer
from fleet.errors import GpudeckError, UnreachableError
from fleet.planning.plan import Action, Plan
from fleet.rollout.course import Course, Limits, MayBegin, MayStop, always, at_any_time
from fleet.rollout.events import WAYS_ON, Event, Kind, Outcome, Phase, Result
from fleet.rollout.hosts import Hosts
from fleet.rollout.journal import Journal, JournalError
from fleet.rollout.lock import LockLostError
from fleet.rollout.resuming import as_before, still_standing
from fleet.rollout.standing import Standing
from fleet.rollout.steering import LeftError, Steered
from fleet.rollout.stepping import Stepper
from fleet.rollout.taking import Taker
from fleet.rollout.watching import Watching


class Rollout(Steered):
    """One plan being carried out. Whoever watches is told by events; nothing here knows a screen."""

    def __init__(
        self,
        plan: Plan,
        operators: Mapping[str, Writer],
        board: Watching,
        journal: Journal,
        on_event: Callable[[Event], None],
        *,
        operator: str,
        take_over: str = "",
        may_stop: MayStop = always,
        may_begin: MayBegin = at_any_time,
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
            may_stop: `fleet.rollout.course.Limits` describes these three. Where models may not be stopped for a way
                back, everything is left as it stands; where no other may be begun, the rest is left.
            may_begin: See above.
            max_failures: See above.
            clock: Unix seconds.
        """
        super().__init__()
        self.plan = plan
        self._operators = operators
        self._board = board
        self._journal = journal
        self._operator = operator
        self._tell = on_event
        self._take_over = take_over
        self._limits = Limits(may_stop, may_begin, max_failures)
        self._standing = Standing(plan)
        self._stepper = Stepper(operators, board, {former.host: former.become for former in plan.formers})
        self._hosts = Hosts(plan, operators, board, journal, operator, clock)

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
        return await self._finish(rollout, self._course(rollout).forward())

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
        return await self._finish(rollout, self._restored(rollout, begun))

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

    # what is done between locking and leaving the hosts

    async def _resumed(self, rollout: int, done: Collection[int]) -> Result:
        await self._note_what_stands(rollout, done)
        return await self._course(rollout).forward()

    async def _restored(self, rollout: int, begun: Collection[int]) -> Result:
        await self._taker(rollout).settle()
        self._standing.begun = set(begun) - await self._untouched()
        return await self._course(rollout).back()

    async def _accepted(self, rollout: int, done: Collection[int]) -> Result:
        await self._note_what_stands(rollout, done)
        as_asked = self._standing.finished
        words = f"as the plan wants them: {', '.join(as_asked) or 'none'}"
        return Result(Outcome.ACCEPTED, f"Everything is left as it stands; {words}.", as_asked)

    def _course(self, rollout: int) -> Course:
        take = self._taker(rollout).take
        return Course(self._standing, take, self._stepper, self._operators, self, self._limits, self._tell)

    def _taker(self, rollout: int) -> Taker:
        return Taker(rollout, self._journal, self._hosts, self._stepper, self, self._tell)

    # what stands of one that was left

    async def _note_what_stands(self, rollout: int, done: Collection[int]) -> None:
        done = {*done, *await self._taker(rollout).settle()}
        begun = {touch.n for touch in self._journal.touches(rollout) if touch.phase is Phase.PLAN}
        self._standing.begun = begun - await self._untouched()
        standing = await still_standing(self.plan, done, self._operators, self._board)
        self._standing.done = set(standing) - self._out_of_router(rollout)

    def _out_of_router(self, rollout: int) -> set[int]:
        """The steps that brought a model into service which a way back may have taken out of it again."""
        back = {(touch.model, touch.host) for touch in self._journal.touches(rollout) if touch.phase is Phase.ROLLBACK}
        waits = (step for step in self.plan.steps if step.action is Action.WAIT and step.commands)
        return {step.n for step in waits if (step.model, step.host) in back}

    async def _untouched(self) -> set[int]:
        """The steps of services that stand as they did before the plan, be it that a way back came so far."""
        formers = await as_before(self.plan, self._operators, self._board)
        return {step.n for step in self.plan.steps if (step.model, step.host) in formers}

    # how it ends

    async def _finish(self, rollout: int, work: Awaitable[Result]) -> Result:
        """Do the work, write down how it ended, and leave the hosts to others once nothing is under way there."""
        try:
            result = await self._until_left(work)
            if not result.outcome.is_open:
                self._journal.end(rollout, result.outcome, result.message)
            await self._hosts.leave(rollout)
        except UnreachableError as lost:
            unknown = f"{lost.message} What the last step did is not known; look at the host, then resume or roll back."
            result = Result(Outcome.UNKNOWN, unknown, self._standing.finished)
        except LockLostError as taken:
            result = Result(Outcome.UNKNOWN, str(taken), self._standing.finished)
        except JournalError as error:
            result = Result(Outcome.UNKNOWN, f"{error} {WAYS_ON}", self._standing.finished)
        except asyncio.CancelledError:
            self._tell(Event(Kind.ENDED, self._how_interrupted()))
            raise
        self._tell(Event(Kind.ENDED, result.message))
        return result

    async def _until_left(self, work: Awaitable[Result]) -> Result:
        try:
            async with self._hosts.kept():
                return await work
        except LeftError:
            message = f"Left as it stands. {self._standing.words} {WAYS_ON}"
            return Result(Outcome.LEFT, message, self._standing.finished)

    def _ended(self, rollout: int, result: Result) -> Result:
        self._journal.end(rollout, result.outcome, result.message)
        self._tell(Event(Kind.ENDED, result.message))
        return result

    def _how_interrupted(self) -> str:
        """What an operator who interrupts a rollout should know."""
        step = self._hosts.under_way
        left = f"; {step.host} finishes {step.action} {step.model}, the step under way, if begun" if step else ""
        return f"Interrupted{left}. `gpudeck apply --resume` goes on, `gpudeck apply --rollback` takes all back."
