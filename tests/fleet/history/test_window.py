"""Windows begin where recorded buckets do, and end with the bucket of now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.history.window import window

HOUR_SHARP = 1_800_000_000


@pytest.mark.parametrize(
    ("span", "points", "step", "buckets"),
    [
        (3600, 60, 60, 60),
        (3600, 30, 120, 30),
        (86_400, 60, 1440, 60),
        (604_800, 60, 10_800, 56),
        (300, 60, 5, 60),
        (7, 60, 1, 7),
    ],
)
def test_usual_spans_divide_evenly(span: int, points: int, step: int, buckets: int) -> None:
    found = window(HOUR_SHARP, span, points)
    assert (found.step, found.points) == (step, buckets)


@given(now=st.integers(10**9, 4 * 10**9), span=st.floats(0, 10**8), points=st.integers(1, 500))
def test_now_is_in_the_last_bucket_and_the_span_is_covered_but_for_part_of_it(
    now: int, span: float, points: int
) -> None:
    found = window(now, span, points)
    assert found.until - found.step <= now < found.until
    assert found.points <= points
    assert found.step < 60 or found.since % 60 == 0
    assert found.step < 3600 or found.since % 3600 == 0
    assert found.until - found.since >= span - 1
