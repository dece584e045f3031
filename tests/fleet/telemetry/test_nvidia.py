"""NVIDIA hosts are read through one nvidia-smi that goes on, and ends with the probe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_nvidia_smi import UUIDS, FakeNvidiaSmi
from hypothesis import given
from hypothesis import strategies as st
from running_probe import RunningProbe, readings, running_probe

from fleet.hardware import recognise
from fleet.readings import HostReading, MemoryErrors
from fleet.telemetry.frames import FrameReader
from fleet.telemetry.join import join
from fleet.units import MiB

SHELLS = [("dash",), ("busybox", "sh"), ("bash",)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A host with NVIDIA's driver and one process we know."""
    root = tmp_path / "root"
    for path, text in {
        "proc/driver/nvidia/version": "NVRM version: 590.48.01\n",
        "proc/sys/kernel/random/boot_id": "b00t\n",
        "proc/uptime": "100.00 1.0\n",
        "proc/10309/comm": "VLLM::EngineCor\n",
        "proc/10309/stat": "10309 (VLLM::EngineCor) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 4242 1 1\n",
        "proc/10309/cgroup": "0::/system.slice/vllm.service\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def smi(tmp_path: Path) -> Iterator[FakeNvidiaSmi]:
    fake = FakeNvidiaSmi(tmp_path / "tools")
    yield fake
    fake.close()


def newest(probe: RunningProbe) -> HostReading:
    return readings(bytes(probe.printed))[-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_first_frame_comes_at_once_and_says_all(tree: Path, smi: FakeNvidiaSmi, shell: tuple[str, ...]) -> None:
    with running_probe(tree, shell, smi.path) as probe:
        probe.frame()
    h200, mig, l40s = newest(probe).gpus
    assert h200.identity.pci == "0000:83:00.0"
    assert (h200.identity.uuid, h200.identity.hip_index, h200.identity.smi_index) == (UUIDS[0], 0, 0)
    assert h200.identity.total_bytes == 143771 * MiB
    assert h200.used_bytes == (143771 - 110796) * MiB, "what the driver keeps is not free"
    assert (h200.busy_percent, h200.temperature_c, h200.memory_temperature_c) == (100, 52, 40)
    assert (h200.power_w, h200.power_cap_w, h200.clock_mhz) == (627.4, 700, 1980)
    assert h200.throttling and (h200.throttling.power, h200.throttling.socket_thermal) == (100, 0)
    assert (mig.identity.compute_partition, mig.busy_percent, mig.errors) == ("MIG", None, MemoryErrors(0, 2))
    assert l40s.identity.pci == "0001:c1:00.0"
    assert (l40s.power_cap_w, l40s.memory_temperature_c, l40s.memory_clock_mhz) == (None, None, None)
    assert l40s.errors == MemoryErrors()
    assert l40s.throttling and l40s.throttling.socket_thermal == 100
    assert recognise(h200.identity.product or "", h200.identity.total_bytes)


def test_processes_are_told_per_gpu_and_named_like_any_other(tree: Path, smi: FakeNvidiaSmi) -> None:
    with running_probe(tree, path=smi.path) as probe:
        probe.frame()
    reading = newest(probe)
    unknown, engine = reading.processes
    assert dict(engine.bytes_by_gpu) == {"0000:83:00.0": 28234 * MiB, "0000:84:00.0": 13526 * MiB}
    assert (engine.owner, engine.name, engine.start_ticks) == ("systemd:vllm.service", "VLLM::EngineCor", 4242)
    assert (unknown.pid, unknown.name) == (10291, "pid 10291")
    assert [process.pid for process in reading.openers] == [20037], "it does not say what it holds"


def test_one_nvidia_smi_goes_on_and_ends_with_the_probe(tree: Path, smi: FakeNvidiaSmi) -> None:
    with running_probe(tree, path=smi.path) as probe:
        probe.frame()
        smi.say("memory.free", "1000", "1000", "1000")
        for round in range(20):
            smi.again()
            (tree / "proc/uptime").write_text(f"{101 + round}.00 1.0\n")
            probe.ask().frame()
        while 142771 * MiB not in [gpu.used_bytes for gpu in newest(probe).gpus]:  # gone round, perhaps not yet heard
            probe.ask().frame()
    calls = smi.calls.read_text().splitlines()
    assert sum("--query-gpu" in call and "-l 1" in call for call in calls) == 1
    assert sum("--query-compute-apps" in call for call in calls) == 4 + 1
    assert len(calls) == 1 + 1 + 5, "and one to learn which fields there are"


def test_gpus_are_not_forgotten_where_a_request_comes_before_the_next_round(tree: Path, smi: FakeNvidiaSmi) -> None:
    with running_probe(tree, path=smi.path) as probe:
        for _ in range(3):
            probe.frame()
            probe.ask()
        probe.frame()
    assert len(newest(probe).gpus) == 3


def test_gpus_are_no_longer_told_once_nvidia_smi_has_been_silent_for_long() -> None:
    stream = ["@host 1 2", "@nvidia index,uuid,pci.bus_id", "@frame 0 100.00", f"nv 0, {UUIDS[0]}, 00000000:83:00.0"]
    stream += ["@end 0", "@frame 1 105.00", "@end 1", "@frame 2 111.00", "@end 2"]
    assert [len(reading.gpus) for reading in readings("\n".join(stream).encode())] == [1, 1, 0]


@pytest.mark.parametrize(
    ("unknown", "asked"),
    [
        (("clocks_event_reasons.active",), "clocks_throttle_reasons.active"),
        (("clocks_event_reasons.active", "clocks_throttle_reasons.active", "mig.mode.current"), "power.draw"),
    ],
)
def test_an_older_driver_is_asked_what_it_knows(
    tree: Path, tmp_path: Path, unknown: tuple[str, ...], asked: str
) -> None:
    smi = FakeNvidiaSmi(tmp_path / "old", unknown)
    with running_probe(tree, path=smi.path) as probe:
        probe.frame()
    smi.close()
    assert [gpu.used_bytes for gpu in newest(probe).gpus] == [32975 * MiB, 17572 * MiB, 1843 * MiB]
    (last,) = {call.split()[0] for call in smi.calls.read_text().splitlines() if "-l 1" in call}
    assert last.endswith(asked)


def test_a_driver_that_cannot_be_asked_gives_empty_frames(tree: Path, tmp_path: Path) -> None:
    smi = FakeNvidiaSmi(tmp_path / "broken", ("uuid",))
    with running_probe(tree, path=smi.path) as probe:
        probe.frame()
        probe.ask().frame()
    smi.close()
    assert newest(probe).gpus == ()


def test_without_the_program_a_host_gives_empty_frames(tree: Path) -> None:
    with running_probe(tree) as probe:
        probe.frame()
    assert newest(probe).gpus == ()


@given(st.lists(st.text(max_size=40), max_size=8), st.lists(st.text(max_size=60), max_size=8))
def test_no_line_of_it_breaks_the_reader(fields: list[str], lines: list[str]) -> None:
    reader = FrameReader()
    stream = ["@host 1 2", "@nvidia " + ",".join(["pci.bus_id", "index", *fields]), "@frame 0 1"]
    stream += (
        [f"nv {line}" for line in lines] + [f"app {line}" for line in lines] + ["nv 00000000:83:00.0, 0", "@end 0"]
    )
    found = [join(frame) for line in stream if (frame := reader.feed(line))]
    assert all(gpu.used_bytes is None for reading in found for gpu in reading.gpus)
