"""NVIDIA GPUs, by the lines of nvidia-smi."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from fleet.readings import GpuIdentity, GpuReading, MemoryErrors, Throttling
from fleet.telemetry.frames import Frame
from fleet.telemetry.numbers import decimal, whole
from fleet.text import clean
from fleet.units import MiB

_BUS_ID = re.compile(r"([0-9A-Fa-f]{8}):([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2})\.([0-7])")
_UUID = re.compile(r"GPU-[0-9A-Fa-f-]{8,60}")

# Bits of NVML's nvmlClocksEventReasons.
_POWER_CAP = 0x04
_SLOWDOWN, _POWER_BRAKE = 0x08, 0x80
_THERMAL = 0x20 | 0x40

_Row = Mapping[str, str]


def nvidia_gpus(frame: Frame) -> tuple[GpuReading, ...]:
    """The GPUs, ascending by index. A line that is not whole, or not of a GPU, is left out.

    What nvidia-smi puts in place of a value (``[N/A]``, ``[Not Supported]``, ``[Insufficient Permissions]`` …) is
    no number, and so not known. Its index follows PCI addresses; CUDA's does where CUDA_DEVICE_ORDER says so.
    """
    fields = frame.description.nvidia
    found: dict[str, GpuReading] = {}
    for line in frame.nvidia:
        values = line.split(", ")
        if len(values) == len(fields):
            reading = _gpu(dict(zip(fields, values, strict=True)))
            if reading is not None:
                found[reading.identity.pci] = reading
    ordered = sorted(found.values(), key=lambda reading: reading.identity.hip_index)
    return tuple(
        replace(reading, identity=replace(reading.identity, hip_index=rank, smi_index=rank))
        for rank, reading in enumerate(ordered)
    )


def _gpu(row: _Row) -> GpuReading | None:
    bus, index, uuid = _BUS_ID.fullmatch(row.get("pci.bus_id", "")), whole(row.get("index")), row.get("uuid", "")
    if bus is None or index is None or not _UUID.fullmatch(uuid):
        return None
    total, free = _bytes(row, "memory.total"), _bytes(row, "memory.free")
    mig = row.get("mig.mode.current") == "Enabled"
    identity = GpuIdentity(
        f"{int(bus[1], 16):04x}:{bus[2]}:{bus[3]}.{bus[4]}".lower(),
        partition=0,
        gpu_id="",
        unique_id=None,
        hip_index=index,
        product=clean(row.get("name", "")) or None,
        total_bytes=total or 0,
        uuid=uuid,
        compute_partition="MIG" if mig else None,
    )
    # What the driver keeps for itself is neither "used" nor free.
    used = _bytes(row, "memory.used") if total is None or free is None else max(0, total - free)
    return GpuReading(
        identity,
        used_bytes=used,
        busy_percent=whole(row.get("utilization.gpu")),
        temperature_c=decimal(row.get("temperature.gpu")),
        memory_temperature_c=decimal(row.get("temperature.memory")),
        power_w=decimal(row.get("power.draw")),
        power_cap_w=decimal(row.get("power.limit")),
        memory_busy_percent=whole(row.get("utilization.memory")),
        clock_mhz=whole(row.get("clocks.current.sm")),
        memory_clock_mhz=whole(row.get("clocks.current.memory")),
        device_used_bytes=used,
        throttling=_throttling(row),
        errors=MemoryErrors(
            whole(row.get("ecc.errors.corrected.volatile.total")),
            whole(row.get("ecc.errors.uncorrected.volatile.total")),
        ),
    )


def _bytes(row: _Row, field: str) -> int | None:
    mebibytes = whole(row.get(field))
    return None if mebibytes is None else mebibytes * MiB


def _throttling(row: _Row) -> Throttling | None:
    """What holds the clocks back at this moment: all of it or nothing, for nvidia-smi counts no shares."""
    said = row.get("clocks_event_reasons.active") or row.get("clocks_throttle_reasons.active") or ""
    if not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", said):
        return None
    reasons = int(said, 16)

    def share(bits: int) -> float:
        return 100.0 if reasons & bits else 0.0

    return Throttling(share(_POWER_CAP), share(_SLOWDOWN | _POWER_BRAKE), share(_THERMAL))
