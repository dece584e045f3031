"""The firmware's table of one simulated GPU, as amdgpu's ``gpu_metrics`` of an MI300X gives it."""

from __future__ import annotations

import struct

from fleet.simulator.heat import Heat

_SIZE, _FORMAT, _CONTENT = 1664, 1, 6
"""Format 1.6, as amdgpu 6.12 has it."""
_IDLE_MEMORY_MHZ, _MEMORY_MHZ = 900, 1300
_DIES = 8


def gpu_metrics(heat: Heat) -> bytes:
    """The table; what nothing here reads is all ones, the driver's word for unknown."""
    table = bytearray(b"\xff" * _SIZE)
    struct.pack_into("<HBB", table, 0, _SIZE, _FORMAT, _CONTENT)
    celsius = round(heat.celsius), round(heat.memory_celsius), round(heat.celsius) - 4
    shares = round(heat.busy * 100), round(heat.memory_busy * 100)
    struct.pack_into("<6H", table, 4, *celsius, round(heat.watts), *shares)
    struct.pack_into("<6I", table, 32, heat.samples, 0, heat.power_limited, 0, 0, 0)
    struct.pack_into(f"<{_DIES}H", table, 264, *[heat.megahertz] * _DIES)
    struct.pack_into("<H", table, 304, _MEMORY_MHZ if heat.busy else _IDLE_MEMORY_MHZ)
    return bytes(table)
