"""Lines of a log in a window: wrapped or cut, with remarks in the margin, matches set off, following or held still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from re import Pattern
from typing import NamedTuple, Protocol

from rich.cells import cell_len, chop_cells

from widgets.paragraphs import paragraph
from widgets.rows import Row, Rows, Span, fit

_GUTTER: Mapping[str, tuple[str, str]] = {"error": ("✖ ", "error"), "warning": ("⚠ ", "warning"), "": ("  ", "text")}
_CHOSEN = ("▸ ", "accent")
_MARGIN = 36
"""Cells of the margin."""
_WIDE = 116
"""Cells from which there is a margin; in fewer, a remark stands below its line."""


class LogLine(Protocol):
    """A line to show."""

    @property
    def text(self) -> str:
        """As it is drawn."""

    @property
    def level(self) -> str:
        """``error``, ``warning`` or nothing."""

    @property
    def remark(self) -> str:
        """What is said of it; may be empty."""


class LogLines(Protocol):
    """Numbered lines, of which the oldest may go."""

    @property
    def first(self) -> int:
        """Number of the oldest."""

    @property
    def end(self) -> int:
        """The number the next will have."""

    def __getitem__(self, number: int) -> LogLine: ...


class _Top(NamedTuple):
    """What is drawn in the first row: a row of a line."""

    number: int
    row: int = 0


class LogView(Rows, can_focus=True):
    """Draws the lines that are in its window, so that a long log costs no more than a short one."""

    DEFAULT_CSS = "LogView { height: 1fr; }"

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self._lines = lines
        self._top: _Top | None = None
        self.wraps = True
        """Whether long lines go on in the next row instead of being cut."""
        self.match: Pattern[str] | None = None
        """What is set off."""
        self.chosen: int | None = None
        """Number of the line that is pointed at."""

    @property
    def follows(self) -> bool:
        """Whether the newest line is kept in the window."""
        return self._top is None

    @property
    def below(self) -> int:
        """How many lines are newer than the window's last."""
        if self._top is None or not self.size.height:
            return 0
        return max(0, self._lines.end - 1 - self._moved(self._top, self.size.height - 1).number)

    def show(self, lines: LogLines) -> None:
        """Show these lines from now on, following."""
        self._lines, self._top, self.chosen = lines, None, None
        self.redraw()

    def hold(self) -> None:
        """Stay where it is, whatever comes."""
        self._top = self._here()
        self.redraw()

    def follow(self) -> None:
        """Keep the newest line in the window."""
        self._top = None
        self.redraw()

    def scroll_rows(self, rows: int) -> None:
        """Move the window so many rows down, or up where negative; at the end it follows again."""
        moved = self._moved(self._here(), rows)
        self._top = None if rows > 0 and moved >= self._last() else moved
        self.redraw()

    def go_home(self) -> None:
        """To the oldest line."""
        self._top = _Top(self._lines.first)
        self.redraw()

    def point_at(self, number: int) -> None:
        """Point at a line and bring it into the middle of the window."""
        self.chosen = number
        self._top = min(self._moved(_Top(number), -(self.size.height // 2)), self._last())
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """The rows of the window."""
        return [] if self._lines.end == self._lines.first else list(self._shown(width, height))

    def _shown(self, width: int, height: int) -> Iterator[Row]:
        top = self._here()
        skipped = top.row
        for number in range(top.number, self._lines.end):
            for row in self._rows_of(number, width)[skipped:]:
                if not height:
                    return
                height -= 1
                yield row
            skipped = 0

    # where the window is

    def _here(self) -> _Top:
        last = self._last()
        return last if self._top is None else min(max(self._top, _Top(self._lines.first)), last)

    def _last(self) -> _Top:
        """The window over the newest lines."""
        return self._moved(_Top(self._lines.end), -self.size.height)

    def _moved(self, top: _Top, rows: int) -> _Top:
        """So many rows further down, or up, and never beyond the lines there are."""
        number, row = top.number, top.row + rows
        while row < 0 and number > self._lines.first:
            number -= 1
            row += self._height(number)
        while number < self._lines.end and row >= (height := self._height(number)):
            row -= height
            number += 1
        return _Top(number, max(0, row))

    def _height(self, number: int) -> int:
        return len(self._rows_of(number, self.size.width))

    # one line

    def _rows_of(self, number: int, width: int) -> list[Row]:
        line = self._lines[number]
        margin = _MARGIN if width >= _WIDE else 0
        cells = max(10, width - margin - 3)
        pieces = list(_folded(line.text, cells)) if self.wraps else [fit(line.text, cells).rstrip()]
        sign, style = _CHOSEN if number == self.chosen else _GUTTER[line.level]
        said = [row[0].text for row in paragraph(line.remark, (margin or width) - 4, indent="")]
        rows = []
        for index in range(max(len(pieces), len(said) if margin else 0)):
            piece = pieces[index] if index < len(pieces) else ""
            row: Row = (Span(sign if index == 0 else "  ", style), *self._spans(piece, line.level or "text"))
            if margin and index < len(said):
                lead = "◂ " if index == 0 else "  "
                row = (*row, Span(" " * (cells - cell_len(piece) + 1)), Span(lead + said[index], "accent"))
            rows.append(row)
        if not margin:
            rows += [(Span(f"  {'└ ' if index == 0 else '  '}{text}", "accent"),) for index, text in enumerate(said)]
        return rows

    def _spans(self, text: str, style: str) -> Iterator[Span]:
        at = 0
        for match in self.match.finditer(text) if self.match else ():
            if match.start() > at:
                yield Span(text[at : match.start()], style)
            if match.end() > match.start():
                yield Span(match[0], "chosen")
            at = match.end()
        yield Span(text[at:], style)


def _folded(text: str, cells: int) -> Iterator[str]:
    """The text in pieces of at most that many cells, broken after a blank where there is one in the second half."""
    while cell_len(text) > cells:
        piece = chop_cells(text[: cells + 1], cells)[0]
        blank = piece.rfind(" ", len(piece) // 2)
        piece = piece[: blank + 1] if blank >= 0 else piece
        yield piece
        text = text[len(piece) :]
    yield text
