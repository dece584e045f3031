"""amdgpu's ``gpu_metrics``: what the firmware measures of a GPU, in every binary format of data-centre GPUs.

Formats 1.3 to 1.8 are structures that kgd_pp_interface.h of the Linux kernel and the headers of AMD SMI lay out.
Format 1.9 is a list: a header, a count, and for each attribute 64 bits that say which it is, then its values.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleet.readings import Throttling

ATTRIBUTES_LIMIT = 1024
"""Attributes read of one table of format 1.9; real ones have about fifty."""


@dataclass(frozen=True, slots=True)
class Residencies:
    """How often the firmware found a limit reached since the driver came up; ``samples`` counts the looks."""

    samples: int
    prochot: int | None = None
    power: int | None = None
    socket_thermal: int | None = None
    vr_thermal: int | None = None
    hbm_thermal: int | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """One table. None = the firmware does not say."""

    hotspot_c: int | None = None
    memory_c: int | None = None
    power_w: int | None = None
    busy_percent: int | None = None
    memory_busy_percent: int | None = None
    clock_mhz: int | None = None
    """Of the fastest of the GPU's dies."""
    memory_clock_mhz: int | None = None
    residencies: Residencies | None = None


_VALUES = ("hotspot_c", "memory_c", "power_w", "busy_percent", "memory_busy_percent")
_LIMITS = ("samples", "prochot", "power", "socket_thermal", "vr_thermal", "hbm_thermal")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a structure has what we read: 16-bit values, except for the 32-bit residencies."""

    sizes: tuple[int, ...]
    """Bytes of the whole structure: drivers within and outside the kernel pad some differently."""
    clocks: range
    memory_clock: int
    residencies: int | None = None
    """The first of six, in the order of `_LIMITS`."""
    values: tuple[int, ...] = (4, 6, 10, 12, 14)
    """In the order of `_VALUES`."""


_DIES = 8
_LAYOUTS: Mapping[tuple[int, int], _Layout] = MappingProxyType(
    {
        (1, 3): _Layout((120,), range(54, 56, 2), 58, values=(6, 8, 22, 16, 18)),
        (1, 4): _Layout((288,), range(240, 240 + 2 * _DIES, 2), 280),
        (1, 5): _Layout((360,), range(312, 312 + 2 * _DIES, 2), 352),
        (1, 6): _Layout((312, 1664), range(264, 264 + 2 * _DIES, 2), 304, 32),
        (1, 7): _Layout((2208,), range(296, 296 + 2 * _DIES, 2), 336, 40),
        (1, 8): _Layout((3872,), range(296, 296 + 2 * _DIES, 2), 336, 40),
    }
)

_CODES = "BbHhIiQq"
"""What struct calls the types of format 1.9, in the order of their numbers."""
_VALUE_IDS = (0, 1, 3, 4, 5)
_LIMIT_IDS = (9, 10, 11, 12, 13, 14)
_CLOCK_ID, _MEMORY_CLOCK_ID = 33, 37


def parse(table: bytes) -> Metrics | None:
    """Read a table, or as much of its beginning as `probe.sh` sends; None for a format that is not known."""
    if len(table) < 8:
        return None
    size, form, content = struct.unpack_from("<HBB", table)
    if (form, content) == (1, 9):
        return _listed(table[:size], complete=len(table) >= size)
    layout = _LAYOUTS.get((form, content))
    if layout is None or size not in layout.sizes or len(table) < layout.memory_clock + 2:
        return None
    return _laid_out(table, layout)


def throttling(before: Metrics, after: Metrics) -> Throttling | None:
    """Shares of the time between two tables in which limits held a GPU back; None where they cannot be told."""
    first, last = before.residencies, after.residencies
    if first is None or last is None or last.samples <= first.samples or _is_filler(last):
        return None
    looks = last.samples - first.samples
    return Throttling(**{name: _share(getattr(first, name), getattr(last, name), looks) for name in _LIMITS[1:]})


def _share(first: int | None, last: int | None, looks: int) -> float | None:
    if first is None or last is None or not 0 <= last - first <= looks:
        return None
    return 100 * (last - first) / looks


def _is_filler(told: Residencies) -> bool:
    """Some drivers (amdgpu 6.10.5 with format 1.6) copy the count of samples where they know nothing."""
    return told.samples == told.power == told.socket_thermal == told.hbm_thermal


def _laid_out(table: bytes, layout: _Layout) -> Metrics:
    def short(offset: int) -> int | None:
        return _known(struct.unpack_from("<H", table, offset)[0], 2)

    values = {name: short(offset) for name, offset in zip(_VALUES, layout.values, strict=True)}
    clocks = [clock for offset in layout.clocks if (clock := short(offset)) is not None]
    residencies = None
    if layout.residencies is not None:
        counted = [_known(count, 4) for count in struct.unpack_from("<6I", table, layout.residencies)]
        residencies = _residencies(counted)
    return Metrics(
        **values,
        clock_mhz=max(clocks, default=None),
        memory_clock_mhz=short(layout.memory_clock),
        residencies=residencies,
    )


def _listed(table: bytes, complete: bool) -> Metrics | None:
    found: dict[int, list[int | None]] = {}
    (count,) = struct.unpack_from("<i", table, 4)
    at = 8
    for _ in range(min(count, ATTRIBUTES_LIMIT)):
        if at + 8 > len(table):
            break
        (code,) = struct.unpack_from("<Q", table, at)
        kind, number, instances = code >> 20 & 0xF, code >> 10 & 0x3FF, code & 0x3FF
        if kind >= len(_CODES):
            return None
        form = f"<{instances}{_CODES[kind]}"
        width = struct.calcsize(form)
        if at + 8 + width > len(table):
            break
        values = struct.unpack_from(form, table, at + 8)
        found[number] = [_known(value, width // max(1, instances)) for value in values]
        at += 8 + width
    if complete and at != len(table):
        return None  # whatever it is, it is not the list it says it is

    def first(number: int) -> int | None:
        return next(iter(found.get(number, ())), None)

    return Metrics(
        **{name: first(number) for name, number in zip(_VALUES, _VALUE_IDS, strict=True)},
        clock_mhz=max((clock for clock in found.get(_CLOCK_ID, ()) if clock is not None), default=None),
        memory_clock_mhz=first(_MEMORY_CLOCK_ID),
        residencies=_residencies([first(number) for number in _LIMIT_IDS]),
    )


def _residencies(counted: list[int | None]) -> Residencies | None:
    samples, *limits = counted
    return None if samples is None else Residencies(samples, *limits)


def _known(value: int, width: int) -> int | None:
    """All bits set is how the driver marks what it does not know."""
    return None if value in (-1, (1 << 8 * width) - 1) else value
