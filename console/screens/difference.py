"""What changed between two times: memory, models, findings, and what happened between."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.difference_text import difference_rows
from console.history.recording import path_of
from console.keys import Where, bindings
from console.past.moves import difference
from console.screens.base import ConsoleDialog
from fleet.errors import GpudeckError
from fleet.history.values import DAY
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, sentence

WINDOWS = (3600, DAY, 7 * DAY)


class DifferenceScreen(ConsoleDialog):
    """Two times of the fleet beside each other, as recorded."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DIFFERENCE)]
    DEFAULT_CSS = "DifferenceScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self, since: float | None = None, until: float | None = None) -> None:
        """From one time to another, Unix seconds; None = an hour before, and now."""
        super().__init__()
        self._since = since
        self._until = until
        self._chosen = 0

    def compose(self) -> ComposeResult:
        """The rows."""
        with Vertical(), VerticalScroll():
            yield Paragraphs(sentence("reading what was recorded …", "dim"))
        yield Hints()

    def on_mount(self) -> None:
        """Read."""
        self.hint(Where.DIFFERENCE)
        self.query_one(VerticalScroll).focus()
        self._read()

    def _read(self) -> None:
        self.run_worker(self._fetch(), exclusive=True, group="difference")

    async def _fetch(self) -> None:
        rewind, shown = self.console.rewind, self.query_one(Paragraphs)
        until = rewind.clock() if self._until is None else self._until
        since = until - WINDOWS[self._chosen] if self._since is None else self._since
        try:
            since, until = sorted((since, until))
            found = await asyncio.to_thread(difference, path_of(self.session), since, until, rewind.known())
        except GpudeckError as error:
            shown.show(sentence(str(error), "warning"))
            return
        shown.show(lambda cells: difference_rows(found, cells))

    def action_window(self) -> None:
        """The last hour, day or week."""
        self._since = self._until = None
        self._chosen = (self._chosen + 1) % len(WINDOWS)
        self._read()
