"""The help: made from the table of keys."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from console.keys import Where, bindings, keys
from console.screens.base import ConsoleDialog
from widgets.bar import legend
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs
from widgets.rows import Row, Span

_TITLES = {
    Where.DECK: "On the deck",
    Where.CARRYING: "Carrying a model",
    Where.PAST: "In the past",
    Where.DIFFERENCE: "What changed",
    Where.FINDINGS: "Findings",
    Where.EDIT: "Editing",
    Where.PLAN: "Plan",
    Where.ROLLOUT: "Rollout",
}


def help_rows() -> list[Row]:
    """Every key of every screen, in the table's order; keys that do the same stand together."""
    rows: list[Row] = []
    for where, title in _TITLES.items():
        rows.append((Span(title, "accent"),))
        for words, same in groupby(keys(where), key=lambda key: key.help):
            rows.append((Span(f"  {_shown([key.shown for key in same]):<8}", "key"), Span(words)))
        rows.append(())
    return [*rows, (Span("Bars ", "accent"), *legend(), Span(" comes +  leaves -  beyond the GPU !", "dim"))]


def _shown(names: list[str]) -> str:
    return " ".join(names) if len(names) <= 4 else f"{names[0]}..{names[-1]}"


class HelpScreen(ConsoleDialog):
    """All keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Where.HELP),
        Binding("question_mark,q", "close", show=False, id="help.close_too"),
    ]
    DEFAULT_CSS = "HelpScreen VerticalScroll { height: auto; max-height: 100%; }"

    def compose(self) -> ComposeResult:
        """The table."""
        with Vertical(), VerticalScroll():
            yield Paragraphs(lambda _: help_rows())
        yield Hints()

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.hint(Where.HELP)
        self.query_one(VerticalScroll).focus()
