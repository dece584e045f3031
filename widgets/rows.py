"""A widget made of rows of styled text that redraws only the rows whose text changed.

Over SSH the bytes of a repaint are the cost that matters: Textual sends every dirty row again, changed or not, so the
widget compares what it would draw with what it drew and marks only the difference dirty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from widgets.palette import grey, palette


class Span(NamedTuple):
    """A run of text in one style. The text is data: it is drawn as it is, never read as markup."""

    text: str
    style: str = "text"
    """One of `widgets.palette.STYLES`."""


Row = tuple[Span, ...]


def width(row: Row) -> int:
    """Cells the row takes."""
    return sum(cell_len(span.text) for span in row)


def fit(text: str, cells: int) -> str:
    """The text in exactly that many cells: cut with an ellipsis, or padded on the right."""
    if cells <= 0:
        return ""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(text, cells - 1) + "…"


def ends(left: Row, right: Row, cells: int) -> Row:
    """A row with ``left`` at its left and ``right`` at its right; the left one gives way where both do not fit."""
    room = cells - width(right)
    kept: list[Span] = []
    for span in left:
        if room <= 0:
            break
        text = span.text if cell_len(span.text) <= room else fit(span.text, room)
        kept.append(Span(text, span.style))
        room -= cell_len(text)
    return (*kept, Span(" " * max(0, room)), *right)


class Rows(Widget, can_focus=False):
    """Base of the widgets that draw rows. Subclasses implement `compose_rows` and call `redraw` when data changes."""

    DEFAULT_CSS = "Rows { height: auto; color: $foreground; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []
        self._composed_for: Size | None = None
        self._strips: dict[int, Strip] = {}
        self._is_grey = False
        self._look: tuple[Style, Mapping[str, Style]] | None = None

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """The rows to draw in a widget of that many cells and lines; ``height`` is 0 while the height is automatic."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Compose again and repaint the rows that differ."""
        size = self.size
        if not size.width:  # hidden, or not laid out yet
            if self.styles.is_auto_height:
                self.refresh(layout=True)
            return
        if size != self._composed_for:
            self._compose_anew()
            self.refresh(layout=self.styles.is_auto_height)
            return
        rows = list(self.compose_rows(size.width, size.height))
        old, self._rows = self._rows, rows
        changed = [y for y in range(max(len(old), len(rows))) if old[y : y + 1] != rows[y : y + 1]]
        if not changed:
            return
        for y in changed:
            self._strips.pop(y, None)
        if len(old) != len(rows) and self.styles.is_auto_height:
            self.refresh(layout=True)
        else:
            self.refresh(*(Region(0, y, size.width, 1) for y in changed))

    def row_at(self, y: int) -> Row:
        """The row drawn in that line."""
        return self._rows[y] if 0 <= y < len(self._rows) else ()

    def render_line(self, y: int) -> Strip:
        """The strip of one line, made when it is first seen: most rows of a large deck are scrolled away.

        A new size is painted before anybody is told of it, so the rows are composed for it here.
        """
        if self.size != self._composed_for:
            self._compose_anew()
        if y >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        if y not in self._strips:
            self._strips[y] = self._strip(self._rows[y])
        return self._strips[y]

    def _strip(self, row: Row) -> Strip:
        base, styles = self._look = self._look or self._look_now()
        return Strip(_segments(row, base, styles)).adjust_cell_length(self.size.width, base)

    def _look_now(self) -> tuple[Style, Mapping[str, Style]]:
        return self.rich_style, (grey if self._is_grey else palette)(self.app.current_theme)

    def show_grey(self, is_grey: bool) -> None:
        """Draw everything in grey from now on, or no longer."""
        if is_grey != self._is_grey:
            self._is_grey = is_grey
            self._redraw_all()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are rows."""
        return len(self.compose_rows(width, 0))

    def notify_style_update(self) -> None:
        """Styles were applied anew: where colours changed, every strip is stale."""
        super().notify_style_update()
        if self._look is not None and self._look != self._look_now():
            self._redraw_all()

    def _redraw_all(self) -> None:
        self._composed_for = None
        self.refresh()

    def _compose_anew(self) -> None:
        size = self._composed_for = self.size
        self._strips, self._look = {}, None
        self._rows = list(self.compose_rows(size.width, size.height))


def _segments(row: Row, base: Style, styles: Mapping[str, Style]) -> list[Segment]:
    """The row in as few runs of one style as look the same: each is 40 bytes of colours, and blanks need none."""
    runs: list[tuple[str, Style]] = []
    for span in row:
        style = base + styles[span.style]
        if runs and (style == runs[-1][1] or (span.text.isspace() and _paper(style) == _paper(runs[-1][1]))):
            runs[-1] = (runs[-1][0] + span.text, runs[-1][1])
        elif span.text:
            runs.append((span.text, style))
    return [Segment(text, style) for text, style in runs]


def _paper(style: Style) -> tuple[object, ...]:
    """What of a style shows where nothing is written."""
    return style.bgcolor, style.reverse, style.underline, style.strike
