"""Whatever a host prints, the reader goes on, holds little, and every word it keeps is harmless."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_host import metrics_1_6

from fleet.readings import HostReading
from fleet.telemetry.frames import FRAME_LIMIT, FrameReader
from fleet.telemetry.join import join


def words(data: bytes) -> list[str]:
    """As od prints them."""
    data += b"\0" * (-len(data) % 4)
    swapped = [data[at : at + 4][::-1].hex() for at in range(0, len(data), 4)]
    return [" " + " ".join(swapped[at : at + 4]) for at in range(0, len(swapped), 4)]


PCI = "0000:0c:00.0"
HOST = [
    "@host 1 2",
    "@kfd",
    "2/gpu_id:111",
    "2/properties:location_id 3072",
    "2/mem_banks/0/properties:size_in_bytes 1000",
    "@devices",
    f"{PCI}/mem_info_vram_total:900",
    f"@poll {PCI} mem_info_vram_used gpu_busy_percent hwmon/hwmon3/power1_input",
]
FRAME = ["@frame 0 12.5", f"gpu {PCI} 700 5 540000000", "pid 42 gone 111=500", "@who", "42/comm:VLLM", "@end 0"]
SLOW = [
    "@state",
    "proc/42/status:State:\tZ (zombie)",
    "sys/class/kfd/kfd/proc/42/stats_111/evicted_ms:15",
    f"sys/bus/pci/devices/{PCI}/mem_info_gtt_used:77",
    "@metrics 356",
    *words(f"==> sys/bus/pci/devices/{PCI}/gpu_metrics <==\n".encode() + metrics_1_6()[:356]),
    "@rare",
    f"{PCI}/ras/umc_err_count:ue: 1",
    f"{PCI}/ras/gpu_vram_bad_pages:0x1 : 0x1000 : R",
]


LINES = [*HOST, *FRAME, *SLOW]
ATOMS = st.one_of(
    st.sampled_from(LINES),
    st.text(max_size=60),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["@host ", "@kfd", "@devices", "@poll ", "@frame ", "gpu ", "pid ", "@who", "@end ", "@state",
                         "@metrics ", "@rare", "@nvidia ", f"gpu {PCI} ", "pid 42 ", "42/stat:", "2/properties:"]),
        st.sampled_from(["", "0", "-1", "9" * 30, "0 1.5", "²", "\x00", "1e9", PCI, "356", "111=5", "=" * 9]),
        st.text(max_size=20),
    ),
)  # fmt: skip


def readings(lines: list[str]) -> list[HostReading]:
    reader = FrameReader()
    return [join(frame) for line in lines if (frame := reader.feed(line))]


@settings(max_examples=400)
@given(st.lists(ATOMS, max_size=40), st.integers(0, len(LINES)))
def test_no_stream_breaks_the_reader_and_the_next_whole_host_is_read(noise: list[str], at: int) -> None:
    found = readings([*LINES[:at], *noise, "@end", *HOST, *FRAME])
    assert found[-1].gpus[0].used_bytes == 700
    for reading in found:
        assert all(sizes for process in reading.processes for _, sizes in process.bytes_by_gpu)
        assert _is_harmless(reading)


def test_firmware_tables_without_a_heading_are_nobodys() -> None:
    (reading,) = readings([*HOST, "@metrics 356", *words(metrics_1_6()[:356]), *FRAME])
    assert reading.gpus[0].clock_mhz is None


def _is_harmless(value: object) -> bool:
    return all(ord(character) >= 32 and character != "\x7f" for text in _texts(value) for character in text)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in _texts(item)]
    slots = getattr(type(value), "__slots__", ())
    return [text for name in slots for text in _texts(getattr(value, name))]


@given(st.lists(st.sampled_from(LINES), max_size=60))
def test_true_lines_in_any_order_make_sense(lines: list[str]) -> None:
    for reading in readings(lines):
        for gpu in reading.gpus:
            assert gpu.used_bytes is None or gpu.used_bytes == 700


FLOODS: dict[str, Callable[[int], list[str]]] = {
    "files of a process": lambda n: [*FRAME[:4], f"42/x{n}:y", "42/stat:" + "z" * 9000, "@end 0"],
    "hosts described after their frames": lambda n: ["@kfd", f"{n}/gpu_id:{n}", "@devices", f"{n}/a:b", "@end 0"],
    "processes": lambda n: ["@frame 0 1", f"pid {n} 111=5", "@who", f"{n}/comm:x", "@end 0"],
    "sensors": lambda n: ["@state", f"sys/bus/pci/devices/{n:04x}:00:00.0/f:1", f"proc/{n}/status:State:\tR", "@end 0"],
    "rare files": lambda n: ["@rare", f"{n}/ras/x:1", f"{PCI}/f{n}:" + "y" * 9000, "@end 0"],
    "words": lambda n: [*(f"{n:08x} 00000000" for _ in range(50)), "@metrics 99999", "00000000", "@end 0"],
    "nothing": lambda n: [f"{n}" * 100],
    "the end of no frame": lambda n: [f"@end {n}", f"@poll {n} x"],
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_stream_without_end_is_held_in_bounded_memory(kind: str) -> None:
    reader = FrameReader()
    for line in HOST + FRAME:
        reader.feed(line)
    numbers = count(1)

    def after(rounds: int) -> int:
        for _ in range(rounds):
            for line in FLOODS[kind](next(numbers)):
                reader.feed(line)
        return held_bytes(reader)

    early = after(500)
    assert after(3000) < early * 2 + 100_000


@pytest.mark.parametrize("section", ["@kfd", "@devices", "@who", "@state", "@rare", "@metrics 356", "@frame 1 1"])
def test_one_section_without_end_is_given_up(section: str) -> None:
    reader = FrameReader()
    for line in [*HOST, *(FRAME[:3] if section == "@who" else []), section]:
        reader.feed(line)
    number = 0
    while not reader.flooded:
        number += 1
        reader.feed(f"{number}/x{number}:00000000 pid {number}")
    assert held_bytes(reader) < 2 * FRAME_LIMIT


def held_bytes(root: object) -> int:
    """Memory of a thing and of everything only it leads to."""
    seen: set[int] = set()
    waiting = [root]
    total = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | type(sys) | type(len) | type(held_bytes)):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting.extend(gc.get_referents(thing))
    return total
