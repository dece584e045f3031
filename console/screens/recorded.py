"""What was recorded of a GPU and its models, as sparklines over an hour, a day or a week."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from console.history.text import FIGURES, drawn, run_words, summed_up
from fleet.errors import GpudeckError
from fleet.history.reading import history
from fleet.history.values import Kind, Subject
from fleet.history.window import Window, window
from fleet.model import Arguments
from fleet.units import duration
from widgets.paragraphs import Paragraphs, paragraph, sentence
from widgets.rows import Row, Span, width

WINDOWS = (("1h", 3600), ("1d", 86_400), ("1w", 604_800))
EVERY_SECONDS = 5.0
STARTS = 5
"""How many of a model's newest starts are told."""
Present = Mapping[str, Arguments]
_POINTS = 60
_FEWEST_POINTS = 20
_BESIDE = 66
"""Cells of a row that are not its sparkline."""


class Recorded(Paragraphs):
    """Sparklines of some subjects, read again every few seconds, and never by the thread that draws."""

    def __init__(self, path: Path, until: float | None = None) -> None:
        """From the history in that file, up to a time, Unix seconds, or up to now."""
        super().__init__(sentence("reading what was recorded …", "dim"), id="recorded")
        self._path = path
        self._until = until
        self._subjects: tuple[Subject, ...] = ()
        self._present: Present = {}
        self._chosen = 0
        self._cells = 0

    def on_mount(self) -> None:
        """Read again and again."""
        self.set_interval(EVERY_SECONDS, self._read)

    def follow(self, subjects: Iterable[Subject], present: Present = MappingProxyType({})) -> None:
        """Show these; ``present`` are the arguments of models now, by name."""
        wanted = tuple(subjects), dict(present)
        if wanted != (self._subjects, self._present):
            self._subjects, self._present = wanted
            self._read()

    def next_window(self) -> None:
        """Show the next longer stretch of time; after the longest, the shortest."""
        self._chosen = (self._chosen + 1) % len(WINDOWS)
        self._read()

    def on_resize(self) -> None:
        """Another width has room for other columns."""
        if self.size.width != self._cells:
            self._cells = self.size.width
            self._read()

    def _read(self) -> None:
        if not self._cells:
            return
        self.run_worker(self._fetch(), exclusive=True, group="recorded")

    async def _fetch(self) -> None:
        points = max(_FEWEST_POINTS, min(_POINTS, self._cells - _BESIDE))
        over = window(self._until or time.time(), WINDOWS[self._chosen][1], points)
        try:
            rows = await asyncio.to_thread(recorded_rows, self._path, self._subjects, over, self._cells, self._present)
        except GpudeckError as error:
            words = str(error)
            self.show(lambda cells: [(), *paragraph(words, cells, "warning")])
            return
        chosen = WINDOWS[self._chosen][0]
        self.show(lambda cells: [(), *_title(chosen, over, cells), *rows])


def recorded_rows(
    path: Path, subjects: Iterable[Subject], over: Window, cells: int, present: Present = MappingProxyType({})
) -> list[Row]:
    """A row for each figure that was read, and the newest starts of models, however long ago.

    Raises GpudeckError where the file cannot be read.
    """
    rows: list[Row] = []
    with history(path) as found:
        for subject in subjects:
            told: list[Row] = []
            peaks = found.peaks(subject, over.since, over.until)
            for figure in FIGURES[subject.kind]:
                series = found.series(subject, figure.quantity, over.since, over.until, over.points)
                words = summed_up(figure, series, peaks)
                if words:
                    told += _figure_rows(figure.name, drawn(figure, series), words, cells)
            given = present.get(subject.name, Arguments())
            runs = found.starts(subject.name) if subject.kind is Kind.MODEL else ()
            starts = run_words(runs, over.until, STARTS, given)
            for number, words in enumerate(starts):
                head = Span(f"    {'' if number else 'starts':<9} ", "dim")
                first, *others = paragraph(words, cells - 14, indent="")
                told += [(head, *first), *((Span(" " * 14), *row) for row in others)]
            rows += [(Span(f"  {subject.name}", "strong"),), *told] if told else []
    return rows or [(Span("  nothing yet", "dim"),)]


def _figure_rows(name: str, sparks: str, words: str, cells: int) -> list[Row]:
    """A sparkline with its words beside it; where there is no room the mean is left out, then they stand below."""
    head: Row = (Span(f"    {name:<9} ", "dim"), Span(sparks, "live"))
    beside, short = cells - 16 - len(sparks), words.rpartition("  mean")[0].rstrip()
    if len(short) > beside:
        return [head, (Span(" " * 14 + short),)]
    return [(*head, Span(f"  {words if len(words) <= beside else short}"))]


def _title(chosen: str, over: Window, cells: int) -> list[Row]:
    """The windows, and beside them, or below where they do not fit, what a column is."""
    names = (Span(f"[{name}]", "accent") if name == chosen else Span(f" {name} ", "dim") for name, _ in WINDOWS)
    title: Row = (Span("Recorded  ", "accent"), *names)
    words = f"a column is {duration(over.step)}, as high as its peak"
    if width(title) + 3 + len(words) <= cells:
        return [(*title, Span(f"   {words}", "dim"))]
    return [title, *paragraph(f"  {words}", cells, "dim")]
