"""The rollout screen: every step, what it waits for, and a way back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll

from console.changing import follow, open_journal, rollout_of
from console.keys import Where, bindings
from console.plan_text import step_words
from console.screens.base import ConsoleScreen
from fleet.errors import GpudeckError
from fleet.planning.plan import Plan, Step
from fleet.rollout.events import Event, Kind, Outcome, Phase, Result
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph
from widgets.rows import Row, Span

if TYPE_CHECKING:
    from fleet.rollout.executor import Rollout

_SIGNS = {
    Kind.STARTED: ("▶", "accent"),
    Kind.PROGRESS: ("▶", "accent"),
    Kind.DONE: ("✓", "good"),
    Kind.FAILED: ("✗", "error"),
}


class RolloutScreen(ConsoleScreen):
    """A plan being carried out."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.ROLLOUT)]
    DEFAULT_CSS = "RolloutScreen VerticalScroll { height: 1fr; padding: 0 1; }"

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._phases: dict[Phase, tuple[Step, ...]] = {Phase.PLAN: plan.steps}
        self._news: dict[tuple[Phase, int], Event] = {}
        self._rollout: Rollout | None = None
        self._result: Result | None = None
        self._asked: tuple[str, ...] = ()
        """Models that serve, and would be stopped on the way back of another."""
        self._answer: asyncio.Future[bool] | None = None
        self._last_words: list[str] = []
        self._current_row = 0

    def compose(self) -> ComposeResult:
        """The steps."""
        with VerticalScroll():
            yield Paragraphs()
        yield Hints()

    def on_mount(self) -> None:
        """Begin."""
        self.hint(Where.ROLLOUT)
        self.query_one(VerticalScroll).focus()
        self.call_after_refresh(self._show)
        self.run_worker(self._carry_out(), exclusive=True)

    async def _carry_out(self) -> None:
        try:
            journal = open_journal(self.session)
        except GpudeckError as error:
            self._end(Result(Outcome.FAILED, str(error)))
            return
        try:
            self._rollout = rollout_of(self.session, self._plan, journal, self._on_event, may_stop=self._may_stop)
            result = await self._rollout.run()
        except GpudeckError as error:
            result = Result(Outcome.UNKNOWN, str(error))
        finally:
            journal.close()
        self._end(result)

    async def _may_stop(self, models: tuple[str, ...]) -> bool:
        """Ask before models that serve are stopped on the way back of another."""
        self._asked, self._answer = models, asyncio.get_running_loop().create_future()
        self._show()
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

    def _end(self, result: Result) -> None:
        self._result = result
        problem = follow(self.session, self._plan, result)
        self._last_words = [result.message, *([problem] if problem else [])]
        self.console.tell(result.message, "good" if result.outcome is Outcome.DONE else "error")
        self._show()

    def _on_event(self, event: Event) -> None:
        if event.kind is Kind.ROLLING_BACK:
            self._phases[Phase.ROLLBACK] = event.steps
        if event.step is not None:
            self._news[event.phase, event.step.n] = event
        self._show()

    def _show(self) -> None:
        if not self.is_attached:
            return
        scroll = self.query_one(VerticalScroll)
        scroll.query_one(Paragraphs).show(self._rows)
        scroll.scroll_to(y=max(0, self._current_row - scroll.size.height + 4), animate=False)
        self.say(*self._state_words())

    def _rows(self, width: int) -> list[Row]:
        rows: list[Row] = []
        for phase, steps in self._phases.items():
            title = "Carrying out the plan" if phase is Phase.PLAN else "Restoring what was there before"
            rows += [(Span(title, "accent"),)]
            for step in steps:
                event = self._news.get((phase, step.n))
                if event is not None:
                    self._current_row = len(rows)
                rows += _step_rows(step, event, width)
            rows.append(())
        for words in self._last_words:
            done = self._result is not None and self._result.outcome is Outcome.DONE
            rows += paragraph(words, width, "good" if done else "error")
        if self._last_words:
            self._current_row = len(rows)
        return rows

    def _state_words(self) -> tuple[str, str]:
        if self._result is not None:
            return f"{self._result.outcome}. esc goes back to the deck.", "strong"
        if self._asked:
            names = ", ".join(self._asked)
            return (
                f"The way back would stop {names}, serving now: R goes back, space leaves all as it stands",
                "warning",
            )
        if self._rollout is not None and self._rollout.paused:
            return "pausing after this step; space goes on", "warning"
        return "carrying out", "accent"

    def action_pause(self) -> None:
        """Pause after this step, or go on."""
        if self._answered(False):
            return
        if self._rollout is None or self._result is not None:
            return
        if self._rollout.paused:
            self._rollout.resume()
        else:
            self._rollout.pause()
        self._show()

    def action_single_step(self) -> None:
        """One more step, then pause."""
        if self._rollout is not None and self._result is None:
            self._rollout.single_step()
            self._show()

    def action_roll_back(self) -> None:
        """Restore what was there before, after this step."""
        if self._answered(True):
            return
        if self._rollout is not None and self._result is None:
            self._rollout.roll_back()
            self.say("going back after this step", "warning")

    def action_close(self) -> None:
        """Back to the deck, once it has ended."""
        if self._result is None:
            self.say("The rollout is not over: space pauses it, R rolls it back.", "warning")
            return
        self.console.close_rollout()


def _step_rows(step: Step, event: Event | None, width: int) -> list[Row]:
    sign, style = _SIGNS.get(event.kind, ("·", "dim")) if event else ("·", "dim")
    words = step_words(step)
    rows: list[Row] = [(Span(f" {sign} ", style), Span(words, "text" if event else "dim"))]
    if event is not None and event.message:
        rows += paragraph("        " + event.message, width, style, indent="        ")
    return rows
