"""What a heat map can show of a GPU: a share of its limit, in words, and how worrying that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fleet.hardware import ACCELERATORS
from fleet.state import GpuState
from fleet.units import gib
from widgets.sparkline import LEVELS

WRONG, UNREAD, LEFT_OUT = "!", "–", "·"
_USUAL_LIMIT_C = 100.0
"""Junction temperature taken for critical where the driver names none: Instinct GPUs say 100 to 110."""


class Heat(NamedTuple):
    """A figure of one GPU."""

    share: float
    """Of its limit; above 1 beyond it, below 0 where a headroom is none."""
    text: str
    """The figure itself, in six cells at most."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One of the figures a heat map can show."""

    name: str
    unit: str
    """Of the figure, as its heading says it."""
    column: str
    """Its name in the six cells of a column."""
    read: Callable[[GpuState], Heat | None]
    """None where it was not read."""
    warning: float
    """The share from which it is worrying."""
    error: float
    """The share from which it is wrong."""
    least_is_worst: bool = False

    def badness(self, heat: Heat | None) -> float:
        """The larger the worse; what was not read is worse than nothing and better than anything."""
        if heat is None:
            return float("-inf")
        return -heat.share if self.least_is_worst else heat.share

    def glyph(self, heat: Heat | None) -> str:
        """One cell for a figure, which says the eighth, and that it is wrong, without colour too."""
        if heat is None:
            return UNREAD
        if self.style(heat) == "error":
            return WRONG
        return LEVELS[max(0, min(len(LEVELS) - 1, int(heat.share * len(LEVELS))))]

    def style(self, heat: Heat | None) -> str:
        """One of `widgets.palette.STYLES`."""
        if heat is None:
            return "dim"
        sign = -1 if self.least_is_worst else 1
        if sign * heat.share >= sign * self.error:
            return "error"
        return "warning" if sign * heat.share >= sign * self.warning else "good"


def _memory(gpu: GpuState) -> Heat | None:
    if gpu.used_bytes is None:
        return None
    return Heat(gpu.used_bytes / gpu.total_bytes, gib(gpu.used_bytes))


def _estimate(gpu: GpuState) -> Heat:
    return Heat(gpu.outlook.peak_bytes / gpu.total_bytes, gib(gpu.outlook.peak_bytes))


def _headroom(gpu: GpuState) -> Heat:
    left = gpu.total_bytes - max(gpu.outlook.high_bytes, gpu.used_bytes or 0)
    return Heat(left / gpu.total_bytes, gib(left))


def _temperature(gpu: GpuState) -> Heat | None:
    reading = gpu.reading
    if reading is None or reading.temperature_c is None:
        return None
    return Heat(reading.temperature_c / (reading.temperature_limit_c or _USUAL_LIMIT_C), f"{reading.temperature_c:.0f}")


def _power(gpu: GpuState) -> Heat | None:
    reading = gpu.reading
    if reading is None or reading.power_w is None:
        return None
    known = ACCELERATORS.get(gpu.accelerator)
    limit = reading.power_cap_w or (known.power_watts if known else None)
    return Heat(reading.power_w / limit, f"{reading.power_w:.0f}") if limit else None


def _cache(gpu: GpuState) -> Heat | None:
    shares = [model.engine.kv_usage for model in gpu.models if model.engine.kv_usage is not None]
    return Heat(max(shares), f"{100 * max(shares):.0f}") if shares else None


QUANTITIES = (
    Quantity("memory used", "GiB", "used", _memory, 0.985, 0.998),
    Quantity("estimate", "GiB", "est", _estimate, 0.985, 1.0),
    Quantity("headroom", "GiB", "left", _headroom, 0.05, 0.0, least_is_worst=True),
    Quantity("temperature", "°C", "°C", _temperature, 0.9, 0.97),
    Quantity("power", "W", "W", _power, 0.97, 1.05),
    Quantity("KV cache", "%", "KV %", _cache, 0.8, 0.95),
)
"""In the order in which one goes through them."""
