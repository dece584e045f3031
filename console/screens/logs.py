"""The last log lines of a model, read again every two seconds while they are looked at."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.commands.logs import logged
from console.keys import Where, bindings
from console.screens.base import ConsoleDialog
from fleet.errors import GpudeckError
from fleet.telemetry.logs import read_log
from fleet.text import clean_lines
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph, sentence
from widgets.rows import Row, Span

LINES = 200
EVERY_SECONDS = 2.0

_STYLES = (
    (("error", "exception", "traceback", "refused", "out of memory", "failed"), "error"),
    (("warning",), "warning"),
)


def log_rows(line: str, cells: int) -> list[Row]:
    """A log line, never cut; errors and warnings told apart."""
    lowered = line.lower()
    style = next((style for words, style in _STYLES if any(word in lowered for word in words)), "text")
    return paragraph(line, cells, style) or [()]


class LogsScreen(ConsoleDialog):
    """Log lines of one model."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.LOGS)]
    DEFAULT_CSS = "LogsScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model_name = model

    def compose(self) -> ComposeResult:
        """The lines, scrolled to their end."""
        with Vertical():
            yield Paragraphs(sentence(f"{self._model_name}: reading its log …", "dim"))
            with VerticalScroll():
                yield Paragraphs(id="lines")
        yield Hints()

    def on_mount(self) -> None:
        """Read now, and again."""
        self.hint(Where.LOGS)
        self.query_one(VerticalScroll).focus()
        self.set_interval(EVERY_SECONDS, self._read)
        self._read()

    def _read(self) -> None:
        self.run_worker(self._fetch(), exclusive=True, group="logs")

    async def _fetch(self) -> None:
        title = self.query_one(Paragraphs)
        try:
            host, service = logged(self.session.inventory, self._model_name)
            log = await read_log(self.session.probe(host.name), service, LINES, host.become)
        except GpudeckError as error:
            title.show(sentence(str(error), "error"))
            return
        lines = clean_lines(log, limit=1000)
        title.show(lambda _: [(Span(self._model_name, "accent"), Span(f"   {service.name} on {host.name}", "dim"))])
        scroll = self.query_one(VerticalScroll)
        at_end = scroll.scroll_offset.y >= scroll.max_scroll_y
        self.query_one("#lines", Paragraphs).show(
            lambda cells: [row for line in lines or ["(no lines)"] for row in log_rows(line, cells)]
        )
        if at_end:
            scroll.scroll_end(animate=False)
