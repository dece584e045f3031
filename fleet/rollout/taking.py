"""One step of a rollout: told to its host, written down, taken, and written down again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from fleet.errors import UnreachableError
from fleet.planning.plan import Step
from fleet.rollout.events import Event, Kind, Phase
from fleet.rollout.hosts import Hosts
from fleet.rollout.journal import Journal
from fleet.rollout.steering import Steered
from fleet.rollout.stepping import StepError, Stepper


class Taker:
    """Takes the steps of one rollout of the journal."""

    def __init__(
        self,
        rollout: int,
        journal: Journal,
        hosts: Hosts,
        stepper: Stepper,
        steered: Steered,
        tell: Callable[[Event], None],
    ) -> None:
        """Over hosts that are locked for it."""
        self._rollout = rollout
        self._journal = journal
        self._hosts = hosts
        self._stepper = stepper
        self._steered = steered
        self._tell = tell

    async def take(self, phase: Phase, step: Step) -> None:
        """Take it, and wait until its gate has seen enough.

        Raises:
            StepError: It failed, or was called off.
            LockLostError: The host is another's, and was not touched.
            UnreachableError: The line was lost: what it did is not known.
            JournalError: It was not begun.
        """

        def waiting_for(what: str) -> None:
            self._tell(Event(Kind.PROGRESS, what, phase, step))

        await self._hosts.tell(self._rollout, step, waiting_for)
        touch = self._journal.touch(self._rollout, phase, step)
        self._tell(Event(Kind.STARTED, phase=phase, step=step))
        try:
            run = partial(self._hosts.run, self._rollout, touch, step, waiting_for, self._is_left)
            message = await self._stepper.take(step, run, waiting_for, partial(self._steered.calls_off, phase))
        except StepError as error:
            self._hosts.rest(step)
            self._journal.touched(touch, "failed", str(error))
            self._tell(Event(Kind.FAILED, str(error), phase, step))
            raise
        except UnreachableError as lost:
            self._journal.touched(touch, "unknown", lost.message)
            self._tell(Event(Kind.FAILED, lost.message, phase, step))
            raise
        self._hosts.rest(step)
        self._journal.touched(touch, "done", message)
        self._tell(Event(Kind.DONE, message, phase, step))

    async def settle(self) -> Collection[int]:
        """Wait for the step that was under way when an earlier console ended; its number, where it is done by that.

        Raises UnreachableError.
        """

        def told(words: str) -> None:
            self._tell(Event(Kind.PROGRESS, words))

        how = await self._hosts.settle(self._rollout, told, self._is_left)
        if how is None:
            return ()
        told(how.sentence)
        return how.done

    def _is_left(self) -> bool:
        return self._steered.left_at_once
