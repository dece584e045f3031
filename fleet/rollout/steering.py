"""What an operator asks of a rollout while it goes, there or back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleet.rollout.events import Phase


class LeftError(Exception):
    """The operator leaves the rollout here."""


class Steered:
    """Something that goes from step to step as its operator wishes.

    Wishes are heeded between two steps, and some in the middle of a step's waiting.
    """

    def __init__(self) -> None:
        """Nothing is asked: it goes on from step to step."""
        self._go_on = asyncio.Event()
        self._go_on.set()
        self._one_step = False
        self._leaves = False
        self.left_at_once = False
        """Whether it is left without waiting for anything."""
        self.back = False
        """Whether everything is to be as it was before the plan."""

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
        self.back = True
        self.resume()

    def leave(self, *, at_once: bool = False) -> None:
        """After this step leave everything as it stands; ``at_once``: in the middle of its waiting too.

        A step whose commands are at work on its host goes on there, and what it did is not known then.
        """
        self._leaves = True
        self.left_at_once = self.left_at_once or at_once
        self.resume()

    def calls_off(self, phase: Phase) -> bool:
        """Whether a step of that phase should wait no more."""
        return self.left_at_once or (self.back and phase is Phase.PLAN)

    async def turn(self, pauses: Callable[[], None]) -> None:
        """Wait until the next step may be taken. ``pauses`` is called where that takes a word of the operator.

        Raises LeftError where none may be taken any more.
        """
        if self.paused and not self._leaves:
            pauses()
            await self._go_on.wait()
        self.heed_leaving()
        if self._one_step:
            self._one_step = False
            self._go_on.clear()

    def heed_leaving(self) -> None:
        """Raises LeftError where the operator leaves it."""
        if self._leaves:
            raise LeftError
