"""Firmware tables of every format say the same things, and what they do not say is not zero."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.telemetry.gpu_metrics import Metrics, Residencies, parse, throttling

# Offsets as the kernel's kgd_pp_interface.h (1.3 to 1.5) and AMD SMI's headers (1.6 to 1.8) lay them out.
HOTSPOT, MEMORY, POWER, BUSY, MEMORY_BUSY = 4, 6, 10, 12, 14
FORMATS = [
    # content, size, die clocks, memory clock, first residency
    (4, 288, 240, 280, None),
    (5, 360, 312, 352, None),
    (6, 312, 264, 304, 32),
    (6, 1664, 264, 304, 32),
    (7, 2208, 296, 336, 40),
    (8, 3872, 296, 336, 40),
]


def structure(content: int, size: int, shorts: Mapping[int, int], residency: int | None = None) -> bytes:
    table = bytearray(b"\xff" * size)
    struct.pack_into("<HBB", table, 0, size, 1, content)
    for offset, value in shorts.items():
        struct.pack_into("<H", table, offset, value)
    if residency is not None:
        struct.pack_into("<6I", table, residency, 1000, 1, 2, 3, 4, 5)
    return bytes(table)


def listed(attributes: Mapping[int, tuple[int, tuple[int, ...]]], extra: bytes = b"") -> bytes:
    """Format 1.9: by attribute number, the number of its type and its values."""
    body = b""
    for number, (kind, values) in attributes.items():
        body += struct.pack("<Q", 1 << 24 | kind << 20 | number << 10 | len(values))
        body += struct.pack(f"<{len(values)}{'BbHhIiQq'[kind]}", *values)
    body += extra
    return struct.pack("<HBBi", len(body) + 8, 1, 9, len(attributes)) + body


@pytest.mark.parametrize(("content", "size", "clocks", "memory_clock", "residency"), FORMATS)
def test_a_structure_is_read(content: int, size: int, clocks: int, memory_clock: int, residency: int | None) -> None:
    shorts = {HOTSPOT: 42, MEMORY: 40, POWER: 120, BUSY: 1, MEMORY_BUSY: 0}
    shorts |= {clocks: 132, clocks + 14: 141, memory_clock: 900}
    counted = None if residency is None else Residencies(1000, 1, 2, 3, 4, 5)
    table = structure(content, size, shorts, residency)
    assert parse(table) == parse(table[:356]) == Metrics(42, 40, 120, 1, 0, 141, 900, counted)


def test_the_older_structure_of_mi200_is_read() -> None:
    table = structure(3, 120, {4: 30, 6: 42, 8: 40, 16: 97, 18: 61, 22: 291, 54: 1700, 58: 1600})
    assert parse(table) == Metrics(42, 40, 291, 97, 61, 1700, 1600)


def test_a_list_of_attributes_is_read() -> None:
    """As an MI300X virtual function says it under load: 59 °C, 705 W."""
    table = listed(
        {
            0: (2, (59,)), 1: (2, (48,)), 2: (2, (51,)), 3: (2, (705,)), 4: (2, (100,)), 5: (2, (47,)),
            7: (6, (1 << 40,)), 9: (4, (5008,)), 10: (4, (0,)), 11: (4, (4342,)),
            12: (4, (0,)), 13: (4, (0xFFFFFFFF,)), 14: (4, (0,)),
            33: (2, (2098, 2115, 2101, 0xFFFF)), 37: (2, (1300,)),
        }
    )  # fmt: skip
    assert parse(table) == Metrics(59, 48, 705, 100, 47, 2115, 1300, Residencies(5008, 0, 4342, 0, None, 0))


def test_a_list_cut_short_says_what_it_got_to() -> None:
    table = listed({0: (2, (59,)), 1: (2, (48,)), 37: (2, (1300,))})
    assert parse(table[:-4]) == Metrics(59, 48)


def test_a_list_that_does_not_end_where_it_says_is_not_believed() -> None:
    assert parse(listed({0: (2, (59,))}, extra=b"\0\0")) is None
    unknown_type = struct.pack("<HBBiQ", 16, 1, 9, 1, 9 << 20)
    assert parse(unknown_type) is None


@pytest.mark.parametrize("content", [3, 4, 5, 6, 7, 8])
def test_what_is_all_ones_is_not_known(content: int) -> None:
    size = {3: 120, 4: 288, 5: 360, 6: 1664, 7: 2208, 8: 3872}[content]
    assert parse(structure(content, size, {})) == Metrics()


@pytest.mark.parametrize(
    "table", [b"", b"\0" * 7, structure(2, 120, {}), structure(8, 3870, {}), structure(4, 288, {})[:200]]
)
def test_any_other_table_is_left_to_the_sensor_files(table: bytes) -> None:
    assert parse(table) is None


def metrics(*counts: int) -> Metrics:
    return Metrics(residencies=Residencies(*counts))


def test_throttling_is_what_was_counted_between_two_tables() -> None:
    told = throttling(metrics(1000, 0, 100, 7, 0, 0), metrics(6008, 0, 4442, 7, 0, 2504))
    assert told is not None
    assert told.power == pytest.approx(86.7, abs=0.01)
    assert (told.prochot, told.socket_thermal, told.hbm_thermal) == (0, 0, 50)


def test_an_idle_gpu_whose_driver_only_copies_its_counter_is_not_throttled() -> None:
    assert throttling(metrics(1000, 0, 1000, 1000, 0, 1000), metrics(2000, 0, 2000, 2000, 0, 2000)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (metrics(1000, 0, 0, 0, 0, 0), metrics(1000, 0, 0, 0, 0, 0)),
        (metrics(5000, 0, 0, 0, 0, 0), metrics(10, 0, 0, 0, 0, 0)),
        (Metrics(), metrics(10, 0, 0, 0, 0, 0)),
        (metrics(10, 0, 0, 0, 0, 0), Metrics()),
    ],
)
def test_without_two_counts_that_follow_each_other_nothing_is_said(before: Metrics, after: Metrics) -> None:
    assert throttling(before, after) is None


def test_a_count_that_went_back_is_not_a_share() -> None:
    told = throttling(metrics(1000, 50, 100, 0, 0, 0), metrics(2000, 0, 3000, 0, 0, 0))
    assert told and (told.prochot, told.power, told.vr_thermal) == (None, None, 0)


@given(st.binary(max_size=200), st.integers(0, 9))
def test_no_table_breaks_the_parser(noise: bytes, content: int) -> None:
    parse(noise)
    parse(struct.pack("<HBB", len(noise) + 4, 1, content) + noise)
