"""Where the parts of a deck stand: arithmetic on its size, so that its first picture is already the right one."""

from __future__ import annotations

from itertools import accumulate

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import Layout, WidgetPlacement
from textual.widget import Widget

MINIMUM_PANE_HEIGHT = 7
WIDE, MEDIUM = 150, 100


def columns(cells: int, lines: int, panes: int) -> int:
    """Panes side by side where they have that much room; 0 = one line per GPU."""
    side_by_side = 4 if cells >= WIDE else 2 if cells >= MEDIUM else 0
    if side_by_side and lines < MINIMUM_PANE_HEIGHT:
        return 0
    return min(side_by_side, max(1, panes)) if side_by_side else 0


class DeckLayout(Layout):
    """Panes above the shelf; where panes are single lines, a detail of one GPU between them."""

    name = "deck"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> list[WidgetPlacement]:
        """Place the panes, the detail and the shelf; a detail without a place is not seen."""
        panes, detail, shelf = children
        lines, count = size.height - 1, len(panes.displayed_children)
        placed = [(shelf, lines, 1)]
        if columns(size.width, lines, count):
            placed.append((panes, 0, lines))
        else:
            shown = count if count <= lines - MINIMUM_PANE_HEIGHT else max(1, lines // 2)
            gap = int(lines - shown > MINIMUM_PANE_HEIGHT)
            placed += [(panes, 0, shown), (detail, shown + gap, lines - shown - gap)]
        return [_at(widget, Region(0, y, size.width, max(0, height))) for widget, y, height in placed]


class PanesLayout(Layout):
    """Panes side by side in rows that fill the height, and scroll where they would be too low; or single lines."""

    name = "panes"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> list[WidgetPlacement]:
        """Place every pane."""
        side_by_side = columns(size.width + parent.scrollbar_size_vertical, size.height, len(children))
        heights = _heights(size.height, len(children), side_by_side) if side_by_side else [1] * len(children)
        tops = [0, *accumulate(heights)]
        side_by_side = side_by_side or 1
        placed = []
        for index, pane in enumerate(children):
            row, column = divmod(index, side_by_side)
            left, right = (size.width * edge // side_by_side for edge in (column, column + 1))
            placed.append(_at(pane, Region(left, tops[row], right - left, heights[row])))
        return placed


def _heights(lines: int, panes: int, side_by_side: int) -> list[int]:
    rows = -(-panes // side_by_side)
    height, spare = divmod(lines, rows)
    return [max(MINIMUM_PANE_HEIGHT, height + (row < spare)) for row in range(rows)]


def _at(widget: Widget, region: Region) -> WidgetPlacement:
    return WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, widget)
