"""Times of the past are read as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.past.past import past_words
from console.past.times import parse_time
from fleet.errors import UsageError

NOW = datetime(2027, 3, 1, 9, 30, tzinfo=UTC).timestamp()

pytestmark = pytest.mark.usefixtures("utc")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("09:05", "2027-03-01 09:05:00"),
        ("9:05", "2027-03-01 09:05:00"),
        (" 09:05:31 ", "2027-03-01 09:05:31"),
        ("14:05", "2027-02-28 14:05:00"),
        ("02-27 14:05", "2027-02-27 14:05:00"),
        ("2026-12-31  23:59:59", "2026-12-31 23:59:59"),
        ("-10m", "2027-03-01 09:20:00"),
        ("-2h", "2027-03-01 07:30:00"),
        ("- 1 d", "2027-02-28 09:30:00"),
    ],
)
def test_a_time_is_what_an_operator_means(typed: str, meant: str) -> None:
    assert f"{datetime.fromtimestamp(parse_time(typed, NOW), UTC):%Y-%m-%d %H:%M:%S}" == meant


@pytest.mark.parametrize(
    "typed", ["", "noon", "25:00", "14", "-", "-10", "10m", "13-01 10:00", "9999999999-01-01 1:00"]
)
def test_anything_else_is_refused_with_what_to_write(typed: str) -> None:
    with pytest.raises(UsageError, match=r"is not a time; write 14:05, .* or -10m\."):
        parse_time(typed, NOW)


def test_what_is_still_to_come_is_refused() -> None:
    with pytest.raises(UsageError, match="03-02 10:00 is still to come"):
        parse_time("03-02 10:00", NOW)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (0, "PAST 09:30:00, 10 s ago"),
        (44, "PAST 09:29:16, 40 s ago"),
        (199, "PAST 09:26:41, 3 min ago"),
        (7500, "PAST 07:25:00, 2 h 5 min ago"),
        (86_400, "PAST 02-28 09:30:00, 1 d ago"),
    ],
)
def test_a_time_of_the_past_says_how_long_ago_it_was(ago: int, words: str) -> None:
    assert past_words(NOW - ago, NOW) == words
