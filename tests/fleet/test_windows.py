"""Maintenance windows: open by the clock on the wall, over midnight, weekends and changes of the clocks."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fleet.windows import Window, Windows, zone_named

STOCKHOLM = "Europe/Stockholm"


def at(text: str, zone: str = STOCKHOLM) -> float:
    """Unix seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def windows(*texts: str, zone: str = STOCKHOLM) -> Windows:
    return Windows(tuple(map(Window.parse, texts)), zone)


@pytest.mark.parametrize(
    ("time", "is_open"),
    [
        ("2026-11-19T21:59", False),  # a Thursday
        ("2026-11-19T22:00", True),
        ("2026-11-20T05:59", True),  # Friday morning belongs to Thursday's window
        ("2026-11-20T06:00", False),
        ("2026-11-20T23:00", False),
        ("2026-11-21T00:00", True),  # Saturday, all day
        ("2026-11-22T23:59", False),
    ],
)
def test_a_window_is_open_from_its_first_minute_until_its_last(time: str, is_open: bool) -> None:
    assert windows("mon-thu 22:00-06:00", "sat").open_at(at(time)) is is_open


def test_the_next_opening_is_that_of_the_nearest_window() -> None:
    agreed = windows("mon-thu 22:00-06:00", "sat 08:00-12:00")
    assert agreed.next_opening(at("2026-11-20T12:00")) == at("2026-11-21T08:00")
    assert agreed.next_opening(at("2026-11-21T12:00")) == at("2026-11-23T22:00")
    assert agreed.next_opening(at("2026-11-21T09:00")) == at("2026-11-21T09:00")


def test_a_window_once_a_week_that_has_just_closed_opens_in_a_week() -> None:
    assert windows("sat 08:00-12:00").next_opening(at("2026-11-21T12:00")) == at("2026-11-28T08:00")


def test_days_that_follow_each_other_close_once() -> None:
    assert windows("sat,sun").closing(at("2026-11-21T10:00")) == at("2026-11-23T00:00")
    assert windows("fri-mon").closing(at("2026-11-21T10:00")) == at("2026-11-24T00:00")


def test_a_closed_window_has_no_closing() -> None:
    assert windows("sat").closing(at("2026-11-20T10:00")) is None


def test_a_window_over_a_change_of_the_clocks_ends_by_the_clock_on_the_wall() -> None:
    night = windows("sat 22:00-06:00")
    assert night.closing(at("2026-10-24T23:00")) == at("2026-10-25T06:00")
    assert at("2026-10-25T06:00") - at("2026-10-24T22:00") == 9 * 3600
    assert night.open_at(at("2026-03-29T05:59")) and not night.open_at(at("2026-03-29T06:00"))


def test_the_same_hours_are_other_times_in_another_zone() -> None:
    time = at("2026-11-21T08:00", "UTC")
    assert windows("sat 08:00-09:00", zone="UTC").open_at(time)
    assert not windows("sat 08:00-09:00").open_at(time)
    assert windows("sat 08:00-09:00").words(time) == "Sat 09:00 CET"


@pytest.mark.parametrize(
    "text", ["", "monday", "mon 22-06", "mon,", "mon 25:00-26:00", "mon 10:00-10:00", "mon  1:00-2:00"]
)
def test_what_is_no_window_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"(write|leave|hours)"):
        Window.parse(text)


@pytest.fixture
def zoneless() -> Iterator[None]:
    """A machine without a time zone database of its own."""
    found = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=found)
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("zoneless")
def test_a_machine_without_time_zones_has_those_that_gpudeck_brings() -> None:
    pytest.importorskip("tzdata")
    assert str(zone_named("Europe/Stockholm")) == "Europe/Stockholm"


@pytest.mark.usefixtures("zoneless")
def test_where_there_are_no_time_zones_at_all_that_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tzdata", None)
    monkeypatch.setitem(sys.modules, "tzdata.zoneinfo.Europe", None)
    with pytest.raises(ValueError, match="it knows none; install tzdata, or write UTC"):
        zone_named("Europe/Stockholm")
    assert zone_named("UTC") is UTC


@pytest.mark.parametrize("name", ["Europe", "Nowhere/Town", "../etc/passwd", "", "/etc/localtime"])
def test_what_is_no_zone_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_named(name)
