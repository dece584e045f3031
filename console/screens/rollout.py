"""The rollout screen: every step, what it waits for, the memory meanwhile, and a way back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from console.changing.carrying_out import follow, from_the_first, open_journal, rollout_of
from console.changing.progress import Progress, outcome_style
from console.keys import Where, bindings, keys
from console.screens.progress import ProgressScreen
from fleet.errors import GpudeckError
from fleet.planning.plan import Plan
from fleet.rollout.events import Event, Kind, Outcome, Result
from fleet.units import duration
from widgets.paragraphs import paragraph
from widgets.rows import Row

if TYPE_CHECKING:
    from fleet.rollout.executor import Rollout
    from fleet.rollout.journal import Journal

Way = Callable[["Rollout", "Journal"], Awaitable[Result]]
"""How a rollout is carried out: from its first step, from where an earlier console left it, or back."""


class RolloutScreen(ProgressScreen):
    """A plan being carried out."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.ROLLOUT)]
    clock: Callable[[], float] = staticmethod(time.monotonic)
    """Seconds, for how long steps take."""

    def __init__(self, plan: Plan, way: Way = from_the_first, progress: Progress | None = None) -> None:
        """Of a plan, that way; ``progress`` is how far it was before."""
        super().__init__(progress or Progress(plan))
        self._plan = plan
        self._way = way
        self._rollout: Rollout | None = None
        self._waits = False
        """Paused, with no step begun since."""
        self._leaving = False
        """Asked to leave it after this step."""
        self._result: Result | None = None
        self._asked: tuple[str, ...] = ()
        """Models that serve, and would be stopped on the way back of another."""
        self._answer: asyncio.Future[bool] | None = None
        self._was_begun = True
        """Not refused."""
        self._last_words: list[str] = []

    def on_mount(self) -> None:
        """Begin."""
        self.run_worker(self._carry_out(), exclusive=True)

    async def _carry_out(self) -> None:
        try:
            journal = open_journal(self.session)
        except GpudeckError as error:
            self._refuse(error)
            return
        try:
            self._rollout = rollout_of(self.session, self._plan, journal, self._on_event, may_stop=self._may_stop)
            result = await self._way(self._rollout, journal)
        except GpudeckError as error:  # raised only before anything is begun
            self._refuse(error)
            return
        finally:
            journal.close()
        self._end(result)

    async def _may_stop(self, models: tuple[str, ...]) -> bool:
        """Ask before models that serve are stopped on the way back of another."""
        self._asked, self._answer = models, asyncio.get_running_loop().create_future()
        self.show_progress()
        try:
            return await self._answer
        finally:
            self._asked, self._answer = (), None

    def _answered(self, answer: bool) -> bool:
        """Whether something was asked, which this answers."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(answer)
        return True

    def _refuse(self, error: GpudeckError) -> None:
        """Say why nothing was begun: that is no rollout, and nothing follows it."""
        self._was_begun = False
        self._tell_end(Result(Outcome.FAILED, str(error)))

    def _end(self, result: Result) -> None:
        problem = follow(self.session, self._plan, result)
        here = ":rollouts does so from here." if result.outcome.is_open else ""
        self._tell_end(result, here, problem)

    def _tell_end(self, result: Result, *more: str) -> None:
        self._result = result
        self._last_words = [words for words in (result.message, *more) if words]
        if not self.is_up:
            return
        self.console.tell(result.message, outcome_style(result.outcome))
        self.show_progress()

    def _on_event(self, event: Event) -> None:
        self.progress = self.progress.told(event, self.clock())
        self._waits = event.kind is Kind.PAUSED
        self.show_progress()

    def show_progress(self) -> None:
        """Show how far it is, and hint at the keys that mean something by now."""
        super().show_progress()
        if not self.is_up:
            return
        every = frozenset(key.action for key in keys(Where.ROLLOUT))
        self.hint(Where.ROLLOUT, every - self._meaning(every))

    def _meaning(self, every: frozenset[str]) -> frozenset[str]:
        """The actions of which any would do something now."""
        if self._result is not None:
            return frozenset({"close"})
        if self._rollout is None or self._asked:
            return frozenset()
        if self._leaving:
            return frozenset({"leave"})
        return every - {"close"} - ({"roll_back"} if self.progress.back else set())

    def below(self, cells: int) -> list[Row]:
        """How it ended."""
        style = outcome_style(self._result.outcome if self._result else None)
        return [row for words in self._last_words for row in paragraph(words, cells, style)]

    def state_words(self) -> tuple[str, str]:
        """What it does, or waits for."""
        if self._result is not None:
            outcome = self._result.outcome if self._was_begun else "not begun"
            return f"{outcome}. {self.key('rollout.close')} goes back to the deck.", "strong"
        if self._asked:
            back, stay = self.key("rollout.roll_back"), self.key("rollout.pause")
            names = ", ".join(self._asked)
            words = f"The way back would stop {names}, serving now: {back} goes back, {stay} leaves all as it stands"
            return words, "warning"
        if self._leaving:
            leave = self.key("rollout.leave")
            return f"leaving everything as it stands after this step; {leave} again does not wait for it", "warning"
        way = "going back" if self.progress.back else "carrying out"
        if self._rollout is not None and self._rollout.paused:
            how = f"paused {self.progress.how_far}" if self._waits else "pausing after this step"
            back = "going back, " if self.progress.back else ""
            return f"{back}{how}; {self.key('rollout.pause')} goes on", "warning"
        left = f"{way}: ~{duration(self.progress.seconds_left)} left"
        return left, "warning" if self.progress.back else "accent"

    @property
    def _going(self) -> Rollout | None:
        """The rollout, while it goes there or back."""
        return None if self._result is not None or self._leaving else self._rollout

    def action_pause(self) -> None:
        """Pause after this step, or go on."""
        if self._answered(False) or self._going is None:
            return
        if self._going.paused:
            self._going.resume()
        else:
            self._going.pause()
        self.show_progress()

    def action_single_step(self) -> None:
        """One more step, then pause."""
        if self._going is not None:
            self._going.single_step()
            self.show_progress()

    def action_roll_back(self) -> None:
        """Restore what was there before, after this step."""
        if not self._answered(True) and self._going is not None and not self.progress.back:
            self._going.roll_back()
            self.say("going back after this step", "warning")

    def action_leave(self) -> None:
        """After this step leave everything as it stands; asked again, or where it is paused already, now."""
        if self._rollout is None or self._result is not None or self._asked:
            return
        self._rollout.leave(at_once=self._leaving)
        self._leaving = True
        self.show_progress()

    def action_close(self) -> None:
        """Back to the deck, once it has ended."""
        if self._result is None:
            pause, back = self.key("rollout.pause"), self.key("rollout.roll_back")
            self.say(f"The rollout is not over: {pause} pauses it, {back} rolls it back.", "warning")
            return
        self.console.close_rollout()
