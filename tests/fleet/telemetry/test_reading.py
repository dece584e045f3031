"""From what a host prints to a reading: identity, attribution, and nothing a host can say that breaks it."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_demo import RECORDED, recorded_reading

from fleet.telemetry.backoff import backoff
from fleet.telemetry.frames import FRAME_LIMIT, Frame, FrameReader
from fleet.telemetry.join import join

LINES = (RECORDED / "frame.txt").read_text(encoding="utf-8").splitlines()

HOST = [
    "@host 1 2",
    "proc/sys/kernel/random/boot_id:b00t",
    "@kfd",
    "0/gpu_id:0",
    "2/gpu_id:111",
    "2/properties:location_id 3072",
    "2/properties:unique_id 16404946649897475633",
    "2/mem_banks/0/properties:size_in_bytes 1000",
    "10/gpu_id:333",
    "10/properties:location_id 8704",
    "9/gpu_id:222",
    "9/properties:location_id 5632",
    "9/properties:domain 1",
    "@devices",
    "0000:0c:00.0/mem_info_vram_total:900",
    "0000:0c:00.0/unique_id:e3aa140f9a5f9e31",
    "0000:0c:00.0/product_name:MI\x1b[31m300X",
    "0000:0c:00.0/hwmon/hwmon3/temp2_label:junction",
    "0000:0c:00.0/hwmon/hwmon3/temp3_label:mem",
    "0000:0c:00.0/hwmon/hwmon3/power1_cap:750000000",
    "@poll 0000:0c:00.0 mem_info_vram_used gpu_busy_percent hwmon/hwmon3/temp2_input hwmon/hwmon3/power1_input",
]
FRAME = [
    "@frame 0 12.5",
    "gpu 0000:0c:00.0 700 - 61000 540000000",
    "pid 42 111=500 222=0",
    "pid 43 111=100",
    "@who",
    "42/stat:42 (VLLM::Worker) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 4242 1 1",
    "42/cgroup:0::/system.slice/vllm.service",
    "42/comm:VLLM::Worker",
    "42/cmdline:vllm serve x ",
    "@end 0",
]


def frames(lines: list[str]) -> list[Frame]:
    reader = FrameReader()
    return [frame for line in lines if (frame := reader.feed(line)) is not None]


def test_hip_counts_topology_nodes_by_number_not_pci_addresses() -> None:
    reading = join(frames(HOST + FRAME)[0])
    assert [(g.identity.hip_index, g.identity.pci, g.identity.gpu_id) for g in reading.gpus] == [
        (0, "0000:0c:00.0", "111"),
        (1, "0001:16:00.0", "222"),
        (2, "0000:22:00.0", "333"),
    ]


def test_the_recorded_host_has_its_gpus_in_another_order_than_its_slots() -> None:
    reading = recorded_reading()
    buses = [gpu.identity.pci[5:7] for gpu in reading.gpus]
    assert buses == ["5c", "38", "0c", "22", "df", "bf", "9f", "af"]
    assert len({gpu.identity.unique_id for gpu in reading.gpus}) == 8


def test_an_identity_is_told_in_every_numbering() -> None:
    gpu = join(frames(HOST + FRAME)[0]).gpus[0]
    assert gpu.identity.unique_id == "e3aa140f9a5f9e31"
    assert gpu.identity.product == "MI300X"
    assert gpu.identity.total_bytes == 900


def test_an_id_beyond_63_bits_is_read_from_the_topology_where_the_device_has_none() -> None:
    lines = [line for line in HOST if "unique_id:" not in line]
    assert join(frames(lines + FRAME)[0]).gpus[0].identity.unique_id == f"{16404946649897475633:016x}"


def test_sensors_are_found_by_label_and_what_is_refused_is_not_zero() -> None:
    gpu = join(frames(HOST + FRAME)[0]).gpus[0]
    assert (gpu.used_bytes, gpu.busy_percent, gpu.temperature_c, gpu.power_w, gpu.power_cap_w) == (
        700,
        None,
        61.0,
        540.0,
        750.0,
    )
    assert gpu.memory_temperature_c is None


def test_memory_is_counted_per_process_and_gpu_and_empty_openers_are_left_out() -> None:
    reading = join(frames([*HOST, *FRAME[:4], "pid 44", *FRAME[4:]])[0])
    assert [(p.pid, p.owner, dict(p.bytes_by_gpu)) for p in reading.processes] == [
        (42, "systemd:vllm.service", {"0000:0c:00.0": 500}),
        (43, None, {"0000:0c:00.0": 100}),
    ]
    assert (reading.processes[0].start_ticks, reading.processes[0].state) == (4242, "S")


def test_a_process_is_still_known_in_frames_that_do_not_name_it_again() -> None:
    second = ["@frame 1 13.5", "gpu 0000:0c:00.0 800 5 61000 540000000", "pid 42 111=500", "@end 1"]
    reading = join(frames(HOST + FRAME + second)[1])
    assert reading.processes[0].owner == "systemd:vllm.service"
    assert reading.gpus[0].used_bytes == 800


@pytest.mark.parametrize(
    "lines",
    [
        HOST + FRAME[:-1],
        HOST + FRAME[:-1] + ["@end 1"],
        FRAME,
        [*HOST, "@frame x y", "@end 0"],
    ],
)
def test_a_frame_cut_off_or_garbled_is_dropped(lines: list[str]) -> None:
    for frame in frames(lines):
        assert join(frame).gpus == ()


def test_a_login_that_talks_first_is_ignored() -> None:
    assert len(frames(["Welcome!", "@frame 0 1", "gpu x 1", *HOST, *FRAME])) == 1


def test_a_flood_is_bounded_and_over_with_the_next_frame() -> None:
    reader = FrameReader()
    for line in HOST:
        reader.feed(line)
    reader.feed("@frame 0 1")
    for _ in range(FRAME_LIMIT // 1000):
        reader.feed("x" * 2000)
    assert reader.flooded
    assert reader.feed("@end 0") is None
    assert not reader.flooded
    assert [reader.feed(line) for line in FRAME][-1] is not None


hostile = st.one_of(
    st.text(max_size=80),
    st.sampled_from(LINES),
    st.builds(
        "{} {}".format, st.sampled_from(["@host", "@frame", "@poll", "gpu", "pid", "@end"]), st.text(max_size=30)
    ),
)


@given(st.lists(hostile, max_size=60))
def test_no_stream_breaks_the_reader(noise: list[str]) -> None:
    for frame in frames([*LINES[:60], *noise, *LINES]):
        reading = join(frame)
        assert all(process.bytes_by_gpu for process in reading.processes)


@given(st.lists(st.integers(0, len(LINES) - 1), max_size=25), st.text(max_size=10))
def test_a_recording_with_lines_missing_or_mangled_still_makes_sense(cut: list[int], put: str) -> None:
    for frame in frames([line + put if n in cut else line for n, line in enumerate(LINES)]):
        for gpu in join(frame).gpus:
            assert gpu.used_bytes is None or gpu.used_bytes >= 0


def test_attempts_to_come_back_grow_apart_to_half_a_minute() -> None:
    waits = list(islice(backoff(Random(1)), 12))
    assert waits[0] <= 0.5
    assert all(15.0 <= wait <= 30.0 for wait in waits[7:])
