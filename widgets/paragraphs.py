"""Rows given from outside, and text wrapped into rows."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from widgets.rows import Row, Rows, Span


def paragraph(text: str, cells: int, style: str = "text", indent: str = "  ") -> list[Row]:
    """The text in rows of at most that many cells; later lines are indented."""
    lines = wrap(text, max(20, cells), subsequent_indent=indent, break_on_hyphens=False)
    return [(Span(line, style),) for line in lines]


class Paragraphs(Rows):
    """Shows the rows it is given."""

    def __init__(self, rows: Sequence[Row] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._given = list(rows)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows from now on."""
        self._given = list(rows)
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """As given."""
        return self._given
