"""Which moment of a fleet is looked at: the present, or one of its past that the operator went to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.model import GpuId

if TYPE_CHECKING:
    from console.past.past import Known, Past
    from console.session import Session

_MOST_WAITING = 100
"""Moves that are asked for while others are made; more come only from a key held down over a slow disk."""


def not_there(back: str) -> str:
    """Why what changes something is refused; ``back`` is the key that goes back to now."""
    return f"This is the past: nothing can be staged or applied there. {back} goes back to now."


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


class Rewind:
    """Which moment of a session's fleet is looked at."""

    def __init__(self, session: Session) -> None:
        """At the present."""
        self._session = session
        self.clock: Callable[[], float] = time.time
        """Unix seconds."""
        self.past: Past | None = None
        """None = the present."""
        self._waiting: list[Move] = []
        self._is_moving = False
        self._returns = 0

    async def go(self, move: Move) -> str:
        """Make a move, and those asked for meanwhile; why one led nowhere, or nothing.

        The file is read by another thread, one at a time. Raises GpudeckError where it cannot be.
        """
        from console.history.recording import path_of
        from console.past.moves import follow

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
                    follow, path_of(self._session), here, moves, int(self.clock()), self.known()
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

    def known(self) -> Known:
        """What the present adds to what is recorded."""
        from console.past.past import Known

        session = self._session
        identities = {
            GpuId(snapshot.host, gpu.identity.hip_index): gpu.identity
            for snapshot in session.board.snapshots.values()
            for gpu in (snapshot.reading.gpus if snapshot.reading else ())
        }
        return Known(session.inventory, identities, dict(session.totals), dict(session.starts))
