"""Going back and forth in what was recorded: moves, where they lead, and the reading of it beside the screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from console.history import path_of
from console.history_text import clock_text, is_news
from console.past import Known, Past, past
from console.session import Session
from fleet.errors import GpudeckError
from fleet.history.reading import History, history
from fleet.history.values import DAY
from fleet.model import GpuId

_MOST_WAITING = 100
"""Moves that are asked for while others are made; more come only from a key held down over a slow disk."""
_STEPS = ((5 * 60, 5), (2 * 3600, 60), (DAY, 600), (8 * DAY, 3600))
"""(Age in seconds up to which it holds, seconds of a step)."""
_LONGEST_STEP = DAY
_LOOKS = (3600, DAY, 8 * DAY, 400 * DAY)
"""Seconds within which an event is sought, one after the other: most are near, and there may be tens of thousands."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step through recorded time: -1 back, 1 forth."""

    direction: int


@dataclass(frozen=True, slots=True)
class ToEvent:
    """To the event before (-1) or after (1)."""

    direction: int


@dataclass(frozen=True, slots=True)
class ToTime:
    """To the last that was recorded up to a time, Unix seconds."""

    at: float


Move = Step | ToEvent | ToTime


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


class Rewind:
    """Which moment of a session's fleet is looked at."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.time) -> None:
        """At the present; ``clock`` gives Unix seconds."""
        self._session = session
        self.clock = clock
        self.past: Past | None = None
        """None = the present."""
        self._waiting: list[Move] = []
        self._is_moving = False
        self._returns = 0

    async def go(self, move: Move) -> str:
        """Make a move, and those asked for meanwhile; why one led nowhere, or nothing.

        The file is read by another thread, one at a time. Raises GpudeckError where it cannot be.
        """
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(move)
        if self._is_moving:
            return ""
        self._is_moving, trouble = True, ""
        try:
            while self._waiting:
                moves, self._waiting = tuple(self._waiting), []
                returns, here = self._returns, self.past.at if self.past else None
                found, trouble = await asyncio.to_thread(
                    follow, path_of(self._session), here, moves, int(self.clock()), self._known()
                )
                if returns == self._returns:
                    self.past = found
        finally:
            self._is_moving, self._waiting = False, []
        return trouble

    def to_present(self) -> None:
        """Back to now, whatever is being read."""
        self.past = None
        self._waiting = []
        self._returns += 1

    def _known(self) -> Known:
        session = self._session
        identities = {
            GpuId(snapshot.host, gpu.identity.hip_index): gpu.identity
            for snapshot in session.board.snapshots.values()
            for gpu in (snapshot.reading.gpus if snapshot.reading else ())
        }
        return Known(session.inventory, identities, dict(session.totals), dict(session.starts))
