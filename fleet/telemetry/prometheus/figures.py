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
    MEMORY_BUSY = "memory busy"
    CLOCK = "clock"
    MEMORY_CLOCK = "memory clock"
    CORRECTED = "corrected errors"
    UNCORRECTED = "uncorrected errors"
    DEFERRED = "deferred errors"
    HELD_BY_POWER = "held back by power"
    HELD_FROM_OUTSIDE = "held back from outside"
    HELD_BY_SOCKET = "held back by the socket's heat"
    HELD_BY_REGULATORS = "held back by the regulators' heat"
    HELD_BY_MEMORY = "held back by the memory's heat"


_SIZES = (Quantity.USED, Quantity.FREE, Quantity.RESERVED, Quantity.TOTAL)
_COUNTS = (Quantity.CORRECTED, Quantity.UNCORRECTED, Quantity.DEFERRED)
_MOST = {
    **dict.fromkeys(Quantity, 100),
    **dict.fromkeys(_SIZES, 1 << 44),
    **dict.fromkeys(_COUNTS, 1e9),
    Quantity.TEMPERATURE: 200,
    Quantity.MEMORY_TEMPERATURE: 200,
    Quantity.POWER: 20_000,
    Quantity.CLOCK: 20_000,
    Quantity.MEMORY_CLOCK: 20_000,
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
        """A value in bytes, percent, °C, W, MHz or as a count; None where the exporter means that it has none."""
        scaled = value * self.unit
        return scaled if 0 <= scaled <= _MOST[self.quantity] else None


_AMD = {
    "gpu_used_vram": Figure(AMD, Quantity.USED, MiB),  # "MB" in its help text, and 196592 for an MI300X
    "gpu_free_vram": Figure(AMD, Quantity.FREE, MiB),
    "gpu_total_vram": Figure(AMD, Quantity.TOTAL, MiB),
    "gpu_total_memory": Figure(AMD, Quantity.TOTAL, MB),  # 1.0 only: 68702 for the 65520 MiB of an MI210
    "gpu_gfx_activity": Figure(AMD, Quantity.BUSY),
    "gpu_usage": Figure(AMD, Quantity.BUSY),
    "gpu_umc_activity": Figure(AMD, Quantity.MEMORY_BUSY),
    "gpu_junction_temperature": Figure(AMD, Quantity.TEMPERATURE),
    "gpu_edge_temperature": Figure(AMD, Quantity.TEMPERATURE),  # the only one it gives of an MI200
    "gpu_memory_temperature": Figure(AMD, Quantity.MEMORY_TEMPERATURE),
    "gpu_package_power": Figure(AMD, Quantity.POWER),
    "gpu_average_package_power": Figure(AMD, Quantity.POWER),
    "gpu_power_usage": Figure(AMD, Quantity.POWER),
    "gpu_ecc_correct_total": Figure(AMD, Quantity.CORRECTED),
    "gpu_ecc_uncorrect_total": Figure(AMD, Quantity.UNCORRECTED),
    "gpu_ecc_deferred_total": Figure(AMD, Quantity.DEFERRED),
    "gpu_violation_ppt_residency_percentage": Figure(AMD, Quantity.HELD_BY_POWER),
    "gpu_violation_processor_hot_residency_percentage": Figure(AMD, Quantity.HELD_FROM_OUTSIDE),
    "gpu_violation_socket_thermal_residency_percentage": Figure(AMD, Quantity.HELD_BY_SOCKET),
    "gpu_violation_vr_thermal_residency_percentage": Figure(AMD, Quantity.HELD_BY_REGULATORS),
    "gpu_violation_hbm_thermal_residency_percentage": Figure(AMD, Quantity.HELD_BY_MEMORY),
}
FIGURES = {
    **_AMD,
    **{f"amd_{name}": figure for name, figure in _AMD.items()},
    "DCGM_FI_DEV_FB_USED": Figure(DCGM, Quantity.USED, MiB),
    "DCGM_FI_DEV_FB_FREE": Figure(DCGM, Quantity.FREE, MiB),
    "DCGM_FI_DEV_FB_RESERVED": Figure(DCGM, Quantity.RESERVED, MiB),
    "DCGM_FI_DEV_FB_TOTAL": Figure(DCGM, Quantity.TOTAL, MiB),
    "DCGM_FI_DEV_GPU_UTIL": Figure(DCGM, Quantity.BUSY),
    "DCGM_FI_DEV_MEM_COPY_UTIL": Figure(DCGM, Quantity.MEMORY_BUSY),
    "DCGM_FI_DEV_SM_CLOCK": Figure(DCGM, Quantity.CLOCK),
    "DCGM_FI_DEV_MEM_CLOCK": Figure(DCGM, Quantity.MEMORY_CLOCK),
    "DCGM_FI_DEV_GPU_TEMP": Figure(DCGM, Quantity.TEMPERATURE),
    "DCGM_FI_DEV_MEMORY_TEMP": Figure(DCGM, Quantity.MEMORY_TEMPERATURE),
    "DCGM_FI_DEV_POWER_USAGE": Figure(DCGM, Quantity.POWER),
}
"""By name, of two that say the same the better first."""

NAMES = {
    quantity: tuple(name for name, figure in FIGURES.items() if figure.quantity is quantity) for quantity in Quantity
}
DATED = (*NAMES[Quantity.USED], *NAMES[Quantity.TOTAL])
"""Series with the labels of all others of their exporter; which of them it has is its operator's choice."""
