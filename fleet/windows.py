"""Maintenance windows: the hours of the week in which what runs may be changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from fleet.units import DayHours, parse_day_hours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(DAYS)
WINDOW = rf"({_DAY})(-({_DAY}))?(,({_DAY})(-({_DAY}))?)*( \d?\d:\d\d-\d?\d:\d\d)?"
"""How a window is written, as a pattern: ``mon-thu 22:00-06:00``, ``sat,sun``."""
_WEEK = 7


class Opening(NamedTuple):
    """One time in which a window is open, in Unix seconds."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours of some weekdays, by the clock on the wall."""

    days: frozenset[int]
    """On which it begins; Monday is 0."""
    hours: DayHours | None = None
    """None = the whole day. They may go on past midnight, into a day that is not among the days."""

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``mon-thu 22:00-06:00`` or ``sat,sun``. Raises ValueError with a sentence."""
        if re.fullmatch(WINDOW, text) is None:
            raise ValueError(f"{text!r} is not a window; write days and hours, such as mon-thu 22:00-06:00 or sat,sun")
        days, _, written = text.partition(" ")
        hours = parse_day_hours(written) if written else None
        if hours is not None and hours.begin == hours.end:
            raise ValueError(f"{text!r} ends when it begins; leave the hours out for the whole day")
        return cls(frozenset(day for part in days.split(",") for day in _days(part)), hours)

    def on(self, day: date, zone: tzinfo) -> Opening | None:
        """The opening that begins on that day; None where none does."""
        if day.weekday() not in self.days:
            return None
        begin, end = self.hours or (0, 0)
        last = day if begin < end else day + timedelta(days=1)
        return Opening(_seconds(day, begin, zone), _seconds(last, end, zone))


@dataclass(frozen=True, slots=True)
class Windows:
    """When what runs may be changed: any of these windows, in one time zone. Times are Unix seconds."""

    windows: tuple[Window, ...]
    zone: str = "UTC"

    def open_at(self, time: float) -> bool:
        """Whether one is open at that time."""
        return self.closing(time) is not None

    def closing(self, time: float) -> float | None:
        """When what is open at that time closes, as far as a week ahead; None where nothing is open."""
        found = (opening for opening in self._openings(time) if opening.begin <= time < opening.end)
        return next((opening.end for opening in found), None)

    def next_opening(self, time: float) -> float:
        """When one is open again: that time itself where one is."""
        if self.open_at(time):
            return time
        return next(opening.begin for opening in self._openings(time) if opening.begin > time)

    def words(self, time: float) -> str:
        """A time as its zone's clock shows it: ``Sat 22:00 CET``."""
        return datetime.fromtimestamp(time, zone_named(self.zone)).strftime("%a %H:%M %Z")

    def _openings(self, time: float) -> Iterator[Opening]:
        """Those of the days around that time, ascending, what touches joined to one."""
        zone = zone_named(self.zone)
        today = datetime.fromtimestamp(time, zone).date()
        days = [today + timedelta(days=n) for n in range(-_WEEK - 1, _WEEK + 2)]
        found = sorted(opening for day in days for window in self.windows if (opening := window.on(day, zone)))
        joined: list[Opening] = []
        for opening in found:
            if joined and opening.begin <= joined[-1].end:
                joined[-1] = Opening(joined[-1].begin, max(joined[-1].end, opening.end))
            else:
                joined.append(opening)
        return iter(joined)


def zone_named(name: str) -> tzinfo:
    """A time zone, such as Europe/Stockholm. Raises ValueError, with a sentence, for one this machine does not know."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not available_timezones():
            raise ValueError(
                f"{name!r} is no time zone this machine knows: it knows none; install tzdata, or write UTC"
            ) from None
        raise ValueError(f"{name!r} is no time zone this machine knows; write one such as Europe/Stockholm") from None


def _days(part: str) -> Iterator[int]:
    """``fri-mon`` goes over the weekend."""
    first, _, last = part.partition("-")
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % _WEEK
    return ((start + n) % _WEEK for n in range(length + 1))


def _seconds(day: date, minutes: int, zone: tzinfo) -> float:
    """Of a time on the wall; one that a change of the clocks leaves out is as much later."""
    local = datetime.combine(day, clock_time(*divmod(minutes, 60)), zone)
    return local.astimezone(UTC).timestamp()
