"""Times of the past as an operator types them."""

from __future__ import annotations

import time

from fleet.errors import UsageError
from fleet.units import parse_duration

_OF_A_DAY = ("%H:%M", "%H:%M:%S")
_OF_A_YEAR = tuple(f"%m-%d {form}" for form in _OF_A_DAY)
_WHOLE = tuple(f"%Y-%m-%d {form}" for form in _OF_A_DAY)


def parse_time(text: str, now: float) -> float:
    """Unix seconds of ``14:05``, ``14:05:31``, ``11-20 14:05``, ``2026-11-20 14:05`` or ``-10m``, in local time.

    A time of day is the last there was, so in the morning ``14:05`` is yesterday's. Raises UsageError with a sentence
    for anything else, and for what is still to come.
    """
    words = " ".join(text.split())
    at = _ago(words, now) if words.startswith("-") else _of_the_clock(words, now)
    if at is None:
        raise UsageError(f"{words!r} is not a time; write 14:05, 14:05:31, 11-20 14:05 or -10m.")
    if at > now:
        raise UsageError(f"{words} is still to come.")
    return at


def _ago(words: str, now: float) -> float | None:
    try:
        return now - parse_duration(words[1:])
    except ValueError:
        return None


def _of_the_clock(words: str, now: float) -> float | None:
    today = time.localtime(now)
    for form in (*_OF_A_DAY, *_OF_A_YEAR, *_WHOLE):
        try:  # with a year of its own, since 29 February is no day of the year that is meant without one
            year = "" if form in _WHOLE else f"{today.tm_year} "
            read = time.strptime(year + words, ("%Y " if year else "") + form)
        except ValueError:
            continue
        if form in _OF_A_DAY:
            return _last(today[:3], read[3:6], now)
        return _unix(read[:3], read[3:6])
    return None


def _last(day: tuple[int, ...], clock: tuple[int, ...], now: float) -> float | None:
    at = _unix(day, clock)
    return at if at is None or at <= now else _unix((day[0], day[1], day[2] - 1), clock)


def _unix(day: tuple[int, ...], clock: tuple[int, ...]) -> float | None:
    """Seconds of that local time; mktime knows summer time, and takes the day before the first of a month."""
    try:
        year, month, date, hour, minute, second = *day, *clock
        return time.mktime((year, month, date, hour, minute, second, 0, 0, -1))
    except (OverflowError, ValueError):
        return None
