"""Two models side by side, now or in the past."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll

from console.comparing.rows import Side, comparison_rows
from console.editing.sliders import trial_of
from console.history.recording import path_of
from console.history.text import run_words
from console.keys import Where, bindings
from console.screens.base import ConsoleScreen
from fleet.arguments import arguments
from fleet.errors import GpudeckError
from fleet.estimate.untold import untold
from fleet.history.reading import history
from fleet.model import Arguments, Scalar
from widgets.header import Header
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs

STARTS = 5
"""How many of the newest starts are told of each."""


class CompareScreen(ConsoleScreen):
    """What is reckoned, read, given and recorded of two models, in two columns."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.COMPARE)]
    DEFAULT_CSS = "CompareScreen VerticalScroll { height: 1fr; padding: 0 1; }"

    def __init__(self, left: str, right: str) -> None:
        super().__init__()
        self._names = (left, right)
        self._starts: dict[str, Sequence[str]] = {}

    def compose(self) -> ComposeResult:
        """Header, the two columns, last line."""
        yield Header(self.mode)
        with VerticalScroll():
            yield Paragraphs(id="comparison")
        yield Hints()

    def on_mount(self) -> None:
        """Show what is known, then what was recorded."""
        self.query_one(Paragraphs).show_grey(self.console.rewind.past is not None)
        self.hint(Where.COMPARE)
        self.query_one(VerticalScroll).focus()
        self.show_state()
        self._read()

    def show_state(self) -> None:
        """Show the newest readings, or what was recorded of the past that the deck shows."""
        left, right = (self._side(name) for name in self._names)
        self.query_one(Header).show(self.console.state, self.console.time_of_day(), self.console.past_words)
        self.query_one(Paragraphs).show(lambda cells: comparison_rows(left, right, cells))

    def _side(self, name: str) -> Side:
        return Side(self.console.state.model(name), self._defaults(name), self._starts.get(name))

    def _defaults(self, name: str) -> dict[str, Scalar]:
        trial = trial_of(self.session.now(), name)
        return {known.flag: untold(trial, known.flag) for known in arguments(trial.model.engine.name)}

    def _read(self) -> None:
        self.run_worker(self._fetch(), exclusive=True, group="starts")

    async def _fetch(self) -> None:
        past = self.console.rewind.past
        until = past.at if past else self.console.rewind.clock()
        try:
            self._starts = await asyncio.to_thread(self._recorded, until)
        except GpudeckError as error:
            self.say(str(error), "warning")
            return
        self.show_state()

    def _recorded(self, until: float) -> dict[str, Sequence[str]]:
        """The starts of each up to then."""
        with history(path_of(self.session)) as found:
            return {name: run_words(found.starts(name), until, STARTS, self._given(name)) for name in self._names}

    def _given(self, name: str) -> Arguments:
        """The arguments it has in the fleet file."""
        return self.session.inventory.model(name).args

    def action_swap(self) -> None:
        """Change their sides."""
        self._names = self._names[::-1]
        self.show_state()

    def action_next(self, step: int) -> None:
        """Compare the left one with the next model of the fleet, or the one before."""
        left, right = self._names
        others = [model.name for model in self.console.state.models if model.name != left]
        self._names = (left, others[(others.index(right) + step) % len(others)])
        self.show_state()
        self._read()

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()
