"""A list of rows with one chosen; where there is no room for all, those around the chosen one are shown."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.paragraphs import Builder
from widgets.rows import Row, Rows, Span


class Window(Rows):
    """Shows the rows a function makes for its width, as many as its height allows."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._build: Builder = lambda _: ()
        self._chosen = 0

    def show(self, build: Builder, chosen: int) -> None:
        """Show these rows from now on, the chosen one among them."""
        self._build, self._chosen = build, chosen
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """All rows, or a window of them that says how many are beyond."""
        return window(self._build(width), self._chosen, height)


def window(rows: Sequence[Row], chosen: int, height: int) -> Sequence[Row]:
    """The rows around the chosen one in ``height`` rows; 0 is as many as there are."""
    if not height or len(rows) <= height or height < 3:
        return rows
    first = max(0, min(len(rows) - height, chosen - height // 2))
    shown = list(rows[first : first + height])
    above, below = first, len(rows) - first - height
    if above:
        shown[0] = (Span(f"  ↑ {above + 1} more", "dim"),)
    if below:
        shown[-1] = (Span(f"  ↓ {below + 1} more", "dim"),)
    return shown
