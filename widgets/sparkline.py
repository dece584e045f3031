"""A series as one row of text: each column as high as the peak in it, so that no spike is averaged away."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

LEVELS = "▁▂▃▄▅▆▇█"
"""The glyph of each eighth."""
GAP = "·"
"""A stretch in which nothing was read."""


def sparkline(peaks: Sequence[float | None], top: float) -> str:
    """One character a value, in eighths of ``top`` from zero; a gap where the value is None."""
    return "".join(GAP if peak is None else _level(peak, top) for peak in peaks)


def _level(value: float, top: float) -> str:
    if value >= top > 0:
        return LEVELS[-1]
    if value <= 0 or top <= 0:
        return LEVELS[0]
    return LEVELS[ceil(value / top * len(LEVELS)) - 1]
