"""The shelf below the deck: models that are disabled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from widgets.bar import legend
from widgets.pane_view import marker
from widgets.rows import Row, Rows, Span, ends, width


@dataclass(frozen=True, slots=True)
class ShelfItem:
    """A disabled model on the shelf, and what the draft does with it."""

    name: str
    staged: bool = False
    marked: bool = False


class Shelf(Rows):
    """Disabled models, ready to be picked up; beside them what the glyphs of the bars mean."""

    DEFAULT_CSS = "Shelf { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: tuple[ShelfItem, ...] = ()
        self._selected: str | None = None

    def show(self, items: Sequence[ShelfItem], selected: str | None) -> None:
        """Show these, one of them under the cursor."""
        self._items, self._selected = tuple(items), selected
        self.redraw()

    def compose_rows(self, width_: int, height: int) -> Sequence[Row]:
        """One row."""
        spans: list[Span] = [Span(" disabled ", "dim")] if self._items else []
        for item in self._items:
            here = item.name == self._selected
            spans.append(marker(is_here=here, is_marked=item.marked))
            name = f"{item.name}+" if item.staged else item.name
            spans.append(Span(name, "strong" if here else "ghost" if item.staged else "dim"))
            spans.append(Span(" "))
        key = legend()
        left = tuple(spans)
        return [ends(left, key if width(left) + width(key) < width_ else (), width_)]
