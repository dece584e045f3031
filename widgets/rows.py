"""A widget made of rows of styled text that redraws only the rows whose text changed.

Over SSH the bytes of a repaint are the cost that matters: Textual sends every dirty row again, changed or not, so the
widget compares what it would draw with what it drew and marks only the difference dirty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget


class Span(NamedTuple):
    """A run of text in one style. The text is data: it is drawn as it is, never read as markup."""

    text: str
    style: str = "text"
    """One of `Rows.STYLES`."""


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

    STYLES: ClassVar[dict[str, str]] = {
        "text": "color: $foreground;",
        "strong": "color: $foreground; text-style: bold;",
        "dim": "color: $text-muted;",
        "good": "color: $success;",
        "warning": "color: $warning; text-style: bold;",
        "error": "color: $error; text-style: bold;",
        "accent": "color: $accent; text-style: bold;",
        "border": "color: $border-blurred;",
        "border-cursor": "color: $accent; text-style: bold;",
        "weights": "color: $primary;",
        "kv-cache": "color: $secondary;",
        "activations": "color: $warning;",
        "context": "color: $text-muted;",
        "live": "color: $success;",
        "other": "color: $error;",
        "ghost": "color: $accent; text-style: bold;",
        "free": "color: $border-blurred;",
        "selected": "text-style: reverse;",
        "key": "color: $accent; text-style: bold;",
    }
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"rows--{name}" for name in STYLES}
    DEFAULT_CSS = "\n".join(
        ["Rows { height: auto; color: $foreground; }"]
        + [f"Rows .rows--{name} {{ {css} }}" for name, css in STYLES.items()]
        + ["Rows:ansi .rows--dim, Rows:ansi .rows--context, Rows:ansi .rows--free { text-style: dim; }"]
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []
        self._strips: list[Strip] = []

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """The rows to draw in a widget of that many cells and lines; ``height`` is 0 while the height is automatic."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Compose again and repaint the rows that differ."""
        size = self.size
        if not size.width:
            self.refresh(layout=True)
            return
        rows = list(self.compose_rows(size.width, size.height))
        old, self._rows = self._rows, rows
        changed = [y for y in range(max(len(old), len(rows))) if old[y : y + 1] != rows[y : y + 1]]
        if not changed:
            return
        strips = self._strips
        self._strips = [
            strips[y] if y < len(strips) and rows[y : y + 1] == old[y : y + 1] else self._strip(rows[y], size.width)
            for y in range(len(rows))
        ]
        if len(old) != len(rows) and self.styles.is_auto_height:
            self.refresh(layout=True)
        else:
            self.refresh(*(Region(0, y, size.width, 1) for y in changed))

    def _strip(self, row: Row, cells: int) -> Strip:
        base = self.rich_style
        segments = [Segment(span.text, base + self._style(span.style)) for span in row if span.text]
        return Strip(segments).adjust_cell_length(cells, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"rows--{name}", partial=True)

    def render_line(self, y: int) -> Strip:
        """The strip of one line."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are rows."""
        return len(self.compose_rows(width, 0))

    def on_resize(self) -> None:
        """Everything is drawn anew in the new size."""
        self._redraw_all()

    def notify_style_update(self) -> None:
        """Colours changed: every strip is stale."""
        super().notify_style_update()
        self._redraw_all()

    def _redraw_all(self) -> None:
        self._rows, self._strips = [], []
        self.redraw()
        self.refresh()
