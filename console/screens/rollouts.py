"""The rollouts of this machine's journal, newest first, with how they ended; enter shows one step by step."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.changing.progress import outcome_style
from console.changing.records import newest_rollouts
from console.changing.unfinished import past_words
from console.keys import Where, bindings
from console.screens.base import ConsoleDialog
from console.screens.record import RecordScreen
from fleet.errors import GpudeckError
from fleet.inventory.changes import sentence
from fleet.rollout.journal import Past
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs
from widgets.rows import Row, Span, fit


class RolloutsScreen(ConsoleDialog):
    """A list under one cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.ROLLOUTS)]
    DEFAULT_CSS = "RolloutsScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._found: tuple[Past, ...] = ()
        self._index = 0

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(), VerticalScroll(can_focus=False):
            yield Paragraphs()
        yield Hints()

    def on_mount(self) -> None:
        """Read the journal."""
        self.hint(Where.ROLLOUTS)
        try:
            self._found = newest_rollouts(self.session)
        except GpudeckError as error:
            self.say(str(error), "error")
            return
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        self.query_one(Paragraphs).show(self._rows)
        self.query_one(VerticalScroll).scroll_to(y=max(0, self._index - 6), animate=False)

    def _rows(self, cells: int) -> list[Row]:
        rows: list[Row] = []
        for index, past in enumerate(self._found):
            words = ", ".join(sentence(change) for change in past.plan.changes)
            head = (
                Span(" ▸ " if index == self._index else "   ", "accent"),
                Span(past_words(past), outcome_style(past.outcome)),
            )
            rows.append((*head, Span(fit(f"  {words}", cells - len(head[1].text) - 3), "dim")))
        return rows or [(Span("No rollout is in this machine's journal.", "dim"),)]

    def action_go(self, step: int) -> None:
        """The next rollout, or the one before."""
        self._index = max(0, min(len(self._found) - 1, self._index + step))
        self._show()

    def action_open(self) -> None:
        """Show the chosen one."""
        if self._found:
            self.app.push_screen(RecordScreen(self._found[self._index]))
