"""A plan and the maintenance windows it is to be carried out in."""

from __future__ import annotations

from fleet.findings import Tense
from fleet.planning.window import outside
from fleet.windows import Window, Windows

SATURDAY = 1_795_248_000.0
"""2026-11-21, 08:00 UTC."""


def test_a_plan_that_a_window_holds_is_not_spoken_of() -> None:
    windows = Windows((Window.parse("sat 08:00-12:00"),))
    assert outside(windows, SATURDAY, 3600) is None
    assert outside(None, SATURDAY, 3600) is None


def test_a_plan_outside_the_windows_is_told_when_the_next_opens() -> None:
    finding = outside(Windows((Window.parse("sun 08:00-12:00"),)), SATURDAY, 60)
    assert finding is not None and finding.tense is Tense.DRAFT
    assert finding.message == "No maintenance window is open; the next opens Sun 08:00 UTC."


def test_a_plan_that_takes_longer_than_the_window_is_open_is_told_so() -> None:
    finding = outside(Windows((Window.parse("sat 08:00-09:00"),)), SATURDAY + 1800, 3600)
    assert finding is not None
    assert finding.message == "The maintenance window closes Sat 09:00 UTC, in 30 min, and the plan takes about 1 h."
