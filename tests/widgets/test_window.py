"""A list that shows the rows around the chosen one."""

from __future__ import annotations

import pytest

from widgets.rows import Row, Span
from widgets.window import window

ROWS: list[Row] = [(Span(f"row {number}"),) for number in range(10)]


def texts(chosen: int, height: int) -> list[str]:
    return ["".join(span.text for span in row) for row in window(ROWS, chosen, height)]


@pytest.mark.parametrize("height", range(3, 10))
@pytest.mark.parametrize("chosen", range(10))
def test_the_chosen_row_is_among_those_shown(chosen: int, height: int) -> None:
    shown = texts(chosen, height)
    assert len(shown) == height
    assert f"row {chosen}" in shown


def test_what_is_beyond_the_window_is_counted() -> None:
    assert texts(5, 5) == ["  ↑ 4 more", "row 4", "row 5", "row 6", "  ↓ 3 more"]


def test_all_rows_are_shown_where_there_is_room() -> None:
    assert window(ROWS, 9, 10) == ROWS
    assert window(ROWS, 9, 0) == ROWS
