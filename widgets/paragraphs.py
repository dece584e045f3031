"""Rows made for the width there is: text wrapped into rows, and a widget that shows what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import wrap

from widgets.rows import Row, Rows, Span

Builder = Callable[[int], Sequence[Row]]
"""Makes the rows for a width in cells."""


def paragraph(text: str, cells: int, style: str = "text", indent: str = "  ") -> list[Row]:
    """The text in rows of at most that many cells; later lines are indented."""
    lines = wrap(text, max(20, cells), subsequent_indent=indent, break_on_hyphens=False)
    return [(Span(line, style),) for line in lines]


def sentence(text: str, style: str = "text") -> Builder:
    """One paragraph, wrapped to the width there is."""
    return lambda cells: paragraph(text, cells, style)


class Paragraphs(Rows):
    """Shows the rows a function makes for its width."""

    def __init__(self, build: Builder | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._build: Builder = build or (lambda _: ())

    def show(self, build: Builder) -> None:
        """Show these rows from now on."""
        self._build = build
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """As made."""
        return self._build(width)
