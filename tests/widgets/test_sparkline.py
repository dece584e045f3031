"""Sparklines: a column as high as its peak, from zero, and a gap where nothing was read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from widgets.sparkline import GAP, LEVELS, sparkline


def test_columns_are_eighths_of_the_top() -> None:
    assert sparkline([0, 1, 4, 7.9, 8], 8) == "▁▁▄██"


def test_a_gap_is_not_a_zero() -> None:
    assert sparkline([None, 0, None], 100) == "·▁·"


def test_the_highest_of_all_fills_its_column_and_nothing_is_higher() -> None:
    assert sparkline([5, 10, 20], 10) == "▄██"


def test_a_series_of_nothing_but_zero_is_flat() -> None:
    assert sparkline([0, 0], 0) == "▁▁"


@given(st.lists(st.none() | st.floats(0, 1e15)), st.floats(0, 1e15))
def test_there_is_one_character_a_value(peaks: list[float | None], top: float) -> None:
    drawn = sparkline(peaks, top)
    assert len(drawn) == len(peaks)
    assert set(drawn) <= {GAP, *LEVELS}
