"""What happened between two looks at counters and histograms: arithmetic on samples, and the looks to compare with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from fleet.telemetry.engines.exposition import Samples, Series

Where = Callable[[Series], bool]

SHORT_SECONDS = 5.0
"""Rates are taken over at least this time where there is that much, and at most `SPACING_SECONDS` longer."""
SPACING_SECONDS = 10.0
"""Time between two looks that are kept to compare with."""
LONG_SECONDS = 60.0
"""Latencies are taken over at most this time."""


@dataclass(frozen=True, slots=True)
class Look:
    """One scrape."""

    at: float
    """Monotonic seconds."""
    samples: Samples


@dataclass(frozen=True, slots=True)
class Span:
    """Two looks at one life of an engine, the later one second."""

    before: Look
    after: Look

    def increase(self, name: str, where: Where) -> float | None:
        """By how much the counters of that name grew together; None where none was there both times."""
        grown = [
            value - self.before.samples[series]
            for series, value in self.after.samples.items()
            if series.name == name and where(series) and series in self.before.samples
        ]
        return sum(grown) if grown else None

    def rate(self, name: str, where: Where) -> float | None:
        """The same, a second."""
        increase = self.increase(name, where)
        return None if increase is None else increase / (self.after.at - self.before.at)

    def buckets(self, name: str, where: Where) -> dict[float, float]:
        """New observations of a histogram at most as large as each edge; ``name`` is that of its buckets."""
        found: dict[float, float] = {}
        for series, value in self.after.samples.items():
            if series.name == name and where(series) and series in self.before.samples:
                edge = _edge(series)
                found[edge] = found.get(edge, 0.0) + value - self.before.samples[series]
        return found


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which that share (0..1) of a histogram's observations lie; None without any.

    As Prometheus's ``histogram_quantile``: the lowest bucket begins at 0, what lies beyond the last finite edge is
    taken to be at that edge, and a bucket below the one before it counts as the one before it.
    """
    if inf not in buckets or len(buckets) < 2 or max(buckets.values()) <= 0:
        return None
    edges = sorted(buckets)
    rank = share * max(buckets.values())
    low = counted = 0.0
    for edge in edges:
        count = max(counted, buckets[edge])
        if count >= rank and count > counted:
            return edges[-2] if edge == inf else low + (edge - low) * (rank - counted) / (count - counted)
        low, counted = edge, count
    return edges[-2]


def _edge(series: Series) -> float:
    try:
        return float(series.label("le"))
    except ValueError:
        return inf


class Meter:
    """Keeps as many looks at one engine as it takes to say what is happening there."""

    def __init__(self, counters: frozenset[str]) -> None:
        """Nothing was seen yet; ``counters`` are the names of series that only grow while an engine lives."""
        self._counters = counters
        self._marks: deque[Look] = deque()
        self._last: Samples = {}

    def spans(self, look: Look) -> tuple[Span, Span] | None:
        """The last seconds and the last minute up to this look; None for the first one of an engine's life."""
        if self._restarted(look):
            self._marks.clear()
        self._last = look.samples
        while len(self._marks) > 1 and look.at - self._marks[0].at > LONG_SECONDS:
            self._marks.popleft()
        marks = [mark for mark in self._marks if mark.at < look.at]
        if not self._marks or look.at - self._marks[-1].at >= SPACING_SECONDS:
            self._marks.append(look)
        if not marks:
            return None
        recent = next((mark for mark in reversed(marks) if look.at - mark.at >= SHORT_SECONDS), marks[0])
        return Span(recent, look), Span(marks[0], look)

    def forget(self) -> None:
        """Begin anew: the engine is not there."""
        self._marks.clear()
        self._last = {}

    def _restarted(self, look: Look) -> bool:
        growing = ((series, value) for series, value in look.samples.items() if series.name in self._counters)
        return any(value < self._last.get(series, 0.0) for series, value in growing)
