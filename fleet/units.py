"""Sizes, counts and times as people write and read them. Bytes are integers everywhere else."""

from __future__ import annotations

import re
from typing import NamedTuple

KB, MB, GB, TB = 10**3, 10**6, 10**9, 10**12
KiB, MiB, GiB, TiB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

_UNITS = {
    "B": 1, "KB": KB, "MB": MB, "GB": GB, "TB": TB, "KIB": KiB, "MIB": MiB, "GIB": GiB, "TIB": TiB,
}  # fmt: skip
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_DAY_HOURS = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)\s*")
_POWER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(k?W)\s*")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_size(text: str) -> int:
    """Bytes of a size written with its unit: ``1.5 GB`` is 1,500,000,000 and ``1 GiB`` is 2^30.

    Raises ValueError, with a sentence, for anything else; a bare number has no unit and is refused.
    """
    match = _SIZE.fullmatch(text)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size; write a number and a unit, such as 1.5 GB or 800 MiB")
    return round(float(match[1]) * unit)


def parse_watts(text: str) -> float:
    """Watts of a power written with its unit: ``750 W``, ``5.5 kW``. Raises ValueError, with a sentence."""
    match = _POWER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a power; write a number and W or kW, such as 5.5 kW")
    return float(match[1]) * (1000 if match[2] == "kW" else 1)


def parse_duration(text: str) -> float:
    """Seconds of a time span written with its unit: ``90 s``, ``15m``, ``1h``, ``2d``, ``1w``.

    Raises ValueError, with a sentence, for anything else.
    """
    match = _SPAN.fullmatch(text)
    unit = _SECONDS.get(match[2]) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a time span; write a number and s, min, h, d or w, such as 15min or 1h")
    return float(match[1]) * unit


class DayHours(NamedTuple):
    """Some hours of every day, in minutes since midnight; they may go on past it."""

    begin: int
    end: int

    def holds(self, clock: str) -> bool:
        """Whether that time of day, ``23:05``, is among them."""
        hours, _, minutes = clock.partition(":")
        now = 60 * int(hours) + int(minutes)
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def __str__(self) -> str:
        return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in self)


def parse_day_hours(text: str) -> DayHours:
    """Hours of the day written ``22:00-06:00``. Raises ValueError, with a sentence, for anything else."""
    match = _DAY_HOURS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} are no hours of the day; write them such as 22:00-06:00")
    begin_hour, begin_minute, end_hour, end_minute = map(int, match.groups())
    return DayHours(60 * begin_hour + begin_minute, 60 * end_hour + end_minute)


def gib(size: int | float) -> str:
    """A size in GiB with one decimal and no unit, for columns: ``98.6``."""
    return f"{size / GiB:.1f}"


def gib_text(size: int | float) -> str:
    """A size in GiB for sentences: ``98.6 GiB``, and ``0.31 GiB`` where one decimal would hide it."""
    value = size / GiB
    return f"{value:.2f} GiB" if abs(value) < 1 else f"{value:.1f} GiB"


def watts_text(watts: float) -> str:
    """A power for sentences: ``740 W``, ``5.2 kW``."""
    return f"{watts:.0f} W" if watts < 1000 else f"{watts / 1000:.1f} kW"


def count(number: int) -> str:
    """A whole number with thousands separated: ``33,120``."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """So many of something: ``1 host``, ``8 GPUs``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time span in its two largest units: ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    left = max(0, round(seconds))
    if left < 60:
        return f"{left} s"
    for unit, smaller, name, smaller_name in (
        (86400, 3600, "d", "h"),
        (3600, 60, "h", "min"),
        (60, 1, "min", "s"),
    ):
        if left >= unit:
            rest = left % unit // smaller
            return f"{left // unit} {name} {rest} {smaller_name}" if rest else f"{left // unit} {name}"
    raise AssertionError("unreachable: every span of a minute or more has a unit")
