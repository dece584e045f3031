"""The stretch of time a series is drawn over, in buckets that begin where recorded ones do."""

from __future__ import annotations

from typing import NamedTuple

from fleet.history.values import HOUR, MINUTE


class Window(NamedTuple):
    """So many buckets of so many seconds."""

    since: int
    """Unix seconds."""
    step: int
    points: int

    @property
    def until(self) -> int:
        """The end of the newest bucket."""
        return self.since + self.step * self.points


def window(now: float, span: float, points: int) -> Window:
    """The last ``span`` seconds in at most ``points`` buckets; each of whole minutes or hours, once it is that long.

    The newest bucket is the one that ``now`` is in, so it is seldom full.
    """
    span = max(1, round(span))
    points = min(points, span)
    step = -(-span // points)
    for tier in (MINUTE, HOUR):
        if step >= tier.seconds:
            step = -(-step // tier.seconds) * tier.seconds
    points = -(-span // step)
    return Window((int(now) // step + 1 - points) * step, step, points)
