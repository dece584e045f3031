"""The kinds of accelerator we know: memory, bandwidth, power, compute units, and what a process costs on them."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.units import TB, GiB, MiB


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One hardware kind. Sizes in bytes, bandwidth in bytes per second, power in watts."""

    name: str
    vendor: str
    """``amd`` or ``nvidia``."""
    total_bytes: int
    """Memory the driver reports for one GPU."""
    bandwidth: int
    power_watts: int
    compute_units: int
    driver_bytes: int
    """Memory the driver holds on an idle GPU."""
    context_bytes: int
    """Memory one process's runtime context holds on a GPU it has opened, outside any engine's budget."""


def _amd(name: str, total: int, bandwidth: float, watts: int, units: int = 304) -> Accelerator:
    # driver: 297-299 MB read on idle Instinct GPUs; context: 0.33 GiB, total less free on an idle MI300X VF
    return Accelerator(name, "amd", total, round(bandwidth * TB), watts, units, 284 * MiB, round(0.33 * GiB))


def _nvidia(name: str, total_gib: float, bandwidth: float, watts: int, sms: int, context: float) -> Accelerator:
    return Accelerator(
        name, "nvidia", round(total_gib * GiB), round(bandwidth * TB), watts, sms, 0, round(context * GiB)
    )


_ALL = (
    _amd("MI300X", 206_141_652_992, 5.3, 750),
    _amd("MI300X-VF", 205_822_885_888, 5.3, 750),
    _amd("MI325X", 262_128 * MiB, 6.0, 1000),
    _amd("MI350X", 308_902_100_992, 8.0, 1000, 256),
    _amd("MI355X", 294_896 * MiB, 8.0, 1400, 256),
    _amd("MI210", 65_520 * MiB, 1.6, 300, 104),
    _nvidia("A100-40GB", 39.39, 1.56, 400, 108, 0.45),
    _nvidia("A100-80GB", 79.14, 2.04, 400, 108, 0.45),
    _nvidia("L4", 22.05, 0.3, 72, 58, 0.25),
    _nvidia("L40S", 44.39, 0.86, 350, 142, 0.49),
    _nvidia("H100", 79.19, 3.35, 700, 132, 0.53),
    _nvidia("H200", 139.81, 4.8, 700, 132, 0.60),
    _nvidia("B200", 178.35, 8.0, 1000, 148, 0.60),
)
ACCELERATORS: dict[str, Accelerator] = {accelerator.name: accelerator for accelerator in _ALL}


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name, case ignored. Raises KeyError for one we do not know."""
    for known in _ALL:
        if known.name.lower() == name.strip().lower():
            return known
    raise KeyError(name)
