"""The series of exporters that are asked for, and what each says of a GPU.

Names: ROCm/device-metrics-exporter, ``docs/configuration/metricslist.md``, of 1.0 to 1.5, each also with the prefix
``amd_`` that its helm chart may set; NVIDIA/dcgm-exporter, ``etc/default-counters.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.units import MB, MiB

AMD = "AMD's device metrics exporter"
DCGM = "NVIDIA's DCGM exporter"


class Quantity(StrEnum):
    """What a series measures."""

    USED = "used"
    FREE = "free"
    RESERVED = "reserved"
    TOTAL = "total"
    BUSY = "busy"
    TEMPERATURE = "temperature"
    MEMORY_TEMPERATURE = "memory temperature"
    POWER = "power"


_SIZES = (Quantity.USED, Quantity.FREE, Quantity.RESERVED, Quantity.TOTAL)
_MOST = {
    **dict.fromkeys(_SIZES, 1 << 44),
    Quantity.BUSY: 100,
    Quantity.TEMPERATURE: 200,
    Quantity.MEMORY_TEMPERATURE: 200,
    Quantity.POWER: 20_000,
}
"""Beyond what any GPU has. What an exporter writes for "no value" lies further out: DCGM 9223372036854775794 and its
neighbours, 2147483632 or 140737488355328 by the type of the field; AMD's the largest number of the field's width."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What the values of a series mean."""

    exporter: str
    quantity: Quantity
    unit: int = 1
    """Bytes in one of it."""

    def reads(self, value: float) -> float | None:
        """A value in bytes, percent, °C or W; None where the exporter means that it has none."""
        scaled = value * self.unit
        return scaled if 0 <= scaled <= _MOST[self.quantity] else None


_AMD = {
    "gpu_used_vram": Figure(AMD, Quantity.USED, MiB),  # "MB" in its help text, and 196592 for an MI300X
    "gpu_free_vram": Figure(AMD, Quantity.FREE, MiB),
    "gpu_total_vram": Figure(AMD, Quantity.TOTAL, MiB),
    "gpu_total_memory": Figure(AMD, Quantity.TOTAL, MB),  # 1.0 only: 68702 for the 65520 MiB of an MI210
    "gpu_gfx_activity": Figure(AMD, Quantity.BUSY),
    "gpu_usage": Figure(AMD, Quantity.BUSY),
    "gpu_junction_temperature": Figure(AMD, Quantity.TEMPERATURE),
    "gpu_memory_temperature": Figure(AMD, Quantity.MEMORY_TEMPERATURE),
    "gpu_package_power": Figure(AMD, Quantity.POWER),
    "gpu_average_package_power": Figure(AMD, Quantity.POWER),
    "gpu_power_usage": Figure(AMD, Quantity.POWER),
}
FIGURES = {
    **_AMD,
    **{f"amd_{name}": figure for name, figure in _AMD.items()},
    "DCGM_FI_DEV_FB_USED": Figure(DCGM, Quantity.USED, MiB),
    "DCGM_FI_DEV_FB_FREE": Figure(DCGM, Quantity.FREE, MiB),
    "DCGM_FI_DEV_FB_RESERVED": Figure(DCGM, Quantity.RESERVED, MiB),
    "DCGM_FI_DEV_FB_TOTAL": Figure(DCGM, Quantity.TOTAL, MiB),
    "DCGM_FI_DEV_GPU_UTIL": Figure(DCGM, Quantity.BUSY),
    "DCGM_FI_DEV_GPU_TEMP": Figure(DCGM, Quantity.TEMPERATURE),
    "DCGM_FI_DEV_MEMORY_TEMP": Figure(DCGM, Quantity.MEMORY_TEMPERATURE),
    "DCGM_FI_DEV_POWER_USAGE": Figure(DCGM, Quantity.POWER),
}
"""By name, of two that say the same the better first."""

DATED = tuple(name for name, figure in FIGURES.items() if figure.quantity in (Quantity.USED, Quantity.TOTAL))
"""Series with the labels of all others of their exporter; which of them it has is its operator's choice."""
