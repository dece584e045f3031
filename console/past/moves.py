"""Where moves through recorded time lead, and what was recorded there. Reads the file, so it is for a thread beside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from console.history.text import clock_text, is_news
from console.past.past import Known, Past, past
from console.past.rewind import Move, Step, ToEvent, ToTime
from fleet.errors import GpudeckError
from fleet.history.reading import History, history
from fleet.history.values import DAY, Event

_STEPS = ((5 * 60, 5), (2 * 3600, 60), (DAY, 600), (8 * DAY, 3600))
"""(Age in seconds up to which it holds, seconds of a step)."""
_LONGEST_STEP = DAY
_LOOKS = (3600, DAY, 8 * DAY, 400 * DAY)
"""Seconds within which an event is sought, one after the other: most are near, and there may be tens of thousands."""


def step_seconds(age: float) -> int:
    """How far a step goes from a moment of that age: seconds at first, then minutes, hours and days."""
    return next((step for until, step in _STEPS if age <= until), _LONGEST_STEP)


def destination(found: History, at: int, move: Move, now: int) -> int | None:
    """Where a move leads from ``at``; None = to the present. Raises GpudeckError where it leads nowhere."""
    match move:
        case Step(-1):
            return _recorded(found, at - step_seconds(now - at))
        case Step():
            later = found.oldest(at + step_seconds(now - at))
            return later if later is not None and later < now else None
        case ToEvent(direction):
            return _event(found, at, direction, now)
        case ToTime(there):
            return _recorded(found, int(there))


def _recorded(found: History, until: int) -> int:
    earlier = found.newest(until)
    if earlier is not None:
        return earlier
    first = found.oldest(0)
    if first is None:
        raise GpudeckError("Nothing is recorded yet.", "Readings are kept from now on, every few seconds.")
    raise GpudeckError(f"Nothing is recorded before {clock_text(first)}.")


def _event(found: History, at: int, direction: int, now: int) -> int:
    for span in _LOOKS:
        since, until = (at - span, at) if direction < 0 else (at + 1, at + 1 + span)
        times = [event.at for event in found.events(since, min(until, now)) if is_news(event)]
        if times:
            return times[-1] if direction < 0 else times[0]
    raise GpudeckError(f"Nothing happened {'before' if direction < 0 else 'after'} {clock_text(at)}.")


def follow(path: Path, here: int | None, moves: Iterable[Move], now: int, known: Known) -> tuple[Past | None, str]:
    """The moment after these moves from ``here``, both None for the present; and why the last led nowhere, if one did.

    Raises GpudeckError where the file cannot be read.
    """
    trouble = ""
    with history(path) as found:
        for move in moves:
            try:
                here = destination(found, now if here is None else here, move, now)
                trouble = _said(found, move, here)
            except GpudeckError as error:
                trouble = str(error)
        if here is None:
            return None, trouble
        events = tuple(event for event in found.events(here, here + 1) if is_news(event))
        return past(found.at(here), events, known), trouble


def _said(found: History, move: Move, there: int | None) -> str:
    if not isinstance(move, ToTime) or found.at(move.at).values:
        return ""
    return f"Nothing is recorded of {clock_text(move.at)}; this is the last before it." if there else ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two times of a fleet, and what happened between them."""

    then: Past
    later: Past
    events: tuple[Event, ...]
    """Oldest first."""


def difference(path: Path, since: float, until: float, known: Known) -> Difference:
    """What is recorded of two times, or of the nearest before; where nothing is before the first, of the very first.

    Raises GpudeckError where nothing is recorded, or the file cannot be read.
    """
    with history(path) as found:
        later = _recorded(found, int(until))
        earlier = found.newest(since)
        then = earlier if earlier is not None else found.oldest(since) or later
        events = tuple(event for event in found.events(then + 1, later + 1) if is_news(event))
        return Difference(past(found.at(then), (), known), past(found.at(later), (), known), events)
