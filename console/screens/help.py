"""The help: made from the table of keys."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.deck_commands import commands
from console.keys import OPERATORS_PLACES, Where, bindings, keys
from console.screens.base import ConsoleDialog
from widgets.bar import legend
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph
from widgets.rows import Row, Span

_TITLES = {
    Where.DECK: "On the deck",
    Where.CARRYING: "Carrying a model",
    Where.PAST: "In the past",
    Where.OVERVIEW: "Overview",
    Where.DIFFERENCE: "What changed",
    Where.FINDINGS: "Findings",
    Where.EDIT: "Editing",
    Where.LOGS: "Logs",
    Where.DETAIL: "A GPU in detail",
    Where.COMPARE: "Two models compared",
    Where.REBALANCE: "Rebalancing",
    Where.PLAN: "Plan",
    Where.ROLLOUT: "Rollout",
    Where.ROLLOUTS: "Rollouts so far",
    Where.RECORD: "One of them",
}


def help_rows(
    changed: Mapping[str, str], cells: int, first: Where = Where.DECK, *, read_only: bool = False
) -> list[Row]:
    """Every key of every screen, in the table's order but for the ``first`` ones, as changed.

    Keys that do the same stand together. Where gpudeck is read-only, what takes an operator is left out.
    """
    rows: list[Row] = []
    places = dict.fromkeys((first, *_TITLES))
    for where in (place for place in places if not (read_only and place in OPERATORS_PLACES)):
        rows.append((Span(_TITLES[where], "accent"),))
        for words, same in groupby(keys(where, changed=changed, read_only=read_only), key=lambda key: key.help):
            rows += _explained(_shown([key.shown for key in same]), words, cells)
        rows.append(())
    rows.append((Span("Commands", "accent"),))
    for command in commands(read_only=read_only):
        rows += paragraph(f"  :{command.usage}", cells, indent=" " * 10)
    rows.append(())
    rows += paragraph(f"Bars  {''.join(span.text for span in legend()).strip()}  {_GHOSTS}", cells, indent=" " * 6)
    return rows


_GHOSTS = "comes +  leaves -  beyond the GPU !"


def _explained(name: str, words: str, cells: int) -> list[Row]:
    """A key and, beside it, what it does."""
    first, *others = paragraph(words, cells - 11, indent="")
    return [(Span(f"  {name:<8} ", "key"), *first), *((Span(" " * 11), *row) for row in others)]


def _shown(names: list[str]) -> str:
    return " ".join(names) if len(names) <= 4 else f"{names[0]}..{names[-1]}"


class HelpScreen(ConsoleDialog):
    """All keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Where.HELP),
    ]
    DEFAULT_CSS = "HelpScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self, where: Where = Where.DECK) -> None:
        """The keys of that place come first."""
        super().__init__()
        self._where = where

    def compose(self) -> ComposeResult:
        """The table."""
        with Vertical(), VerticalScroll():
            changed, read_only = self.console.settings.keys, self.session.is_read_only
            yield Paragraphs(lambda cells: help_rows(changed, cells, self._where, read_only=read_only))
        yield Hints()

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.hint(Where.HELP)
        self.query_one(VerticalScroll).focus()
