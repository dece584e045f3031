"""The probe reads the same from a scratch tree whatever shell runs it, cheaply, and ends when nobody listens."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from running_probe import SYSTEM_PATH, frames_of, readings, running_probe
from scratch_host import KFD, PCI, ScratchHost, captured, metrics_1_6

from fleet.simulator.child import Demo, start_demo
from fleet.telemetry.frames import script
from fleet.units import GiB

SHELLS = {
    "dash": ["dash"],
    "busybox": ["busybox", "sh"],
    "bash": ["bash"],
    "posix": ["bash", "--posix"],
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated host's sysfs and procfs, standing still."""
    copy = tmp_path_factory.mktemp("tree") / "root"
    with start_demo(seed=0) as demo:
        asyncio.run(demo.ready())
        shutil.copytree(_root(demo), copy, symlinks=True, ignore=shutil.ignore_patterns(".*.new"))
    return copy


def _root(demo: Demo) -> Path:
    (found,) = demo.directory.glob("hosts/*/root")
    return found


def eight_gpus(root: Path, processes: int) -> ScratchHost:
    host = ScratchHost(root, captured("mi300x-8"))
    for number in range(processes):
        gpu = host.gpus[number % 8]
        host.process(20_000 + number, {gpu.gpu_id: 64 * GiB + number}, word="x" * 200)
    return host


@pytest.fixture
def host(tmp_path: Path) -> ScratchHost:
    """Eight MI300X and three processes, each on a GPU of its own."""
    return eight_gpus(tmp_path / "root", processes=3)


@pytest.mark.parametrize("name", [name for name in SHELLS if name != "dash"])
def test_every_shell_gives_identical_bytes(tree: Path, name: str) -> None:
    _needed(SHELLS[name][0], "dash")
    assert frames_of(tree, SHELLS[name], 2) == frames_of(tree, SHELLS["dash"], 2)


def test_a_host_with_nothing_but_busybox_gives_the_same_bytes(host: ScratchHost, tmp_path: Path) -> None:
    _needed("busybox", "dash")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("grep", "head", "od", "tr"):
        (tools / name).symlink_to(str(shutil.which("busybox")))
    busybox = (str(shutil.which("busybox")), "sh")
    assert frames_of(host.root, busybox, 9, path=str(tools)) == frames_of(host.root, ("dash",), 9)


def _needed(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")


def test_each_line_of_input_is_one_more_frame_and_its_end_is_the_end(tree: Path) -> None:
    found = readings(frames_of(tree, requests=3))
    assert [reading.sequence for reading in found] == [0, 1, 2, 3]
    assert all(len(reading.gpus) == 8 and len(reading.processes) >= 11 for reading in found)


def test_with_twenty_processes_a_frame_after_the_first_is_small(tmp_path: Path) -> None:
    host = eight_gpus(tmp_path, processes=20)
    with running_probe(host.root) as probe:
        probe.frame()
        probe.ask().frame()
        sizes = []
        for second in range(60):
            host.pass_to(101 + second)
            sizes.append(len(probe.ask().frame()))
    assert sum(sizes) / len(sizes) <= 4096
    assert sorted(sizes)[len(sizes) // 2] <= 1536


def test_what_is_dear_to_read_is_read_now_and_then(host: ScratchHost) -> None:
    told = []
    with running_probe(host.root) as probe:
        probe.frame()
        for second in range(1, 121):
            host.pass_to(100 + second)
            told.append(probe.ask().frame())
    seconds = {name: [at for at, text in enumerate(told) if name in text] for name in (b"@metrics", b"@rare", b"@who")}
    assert seconds[b"@metrics"] == list(range(0, 120, 10))
    assert seconds[b"@rare"] == [0, 60]
    assert len(seconds[b"@who"]) == 2


def test_partitioning_is_read_again_only_when_the_topology_changed(host: ScratchHost) -> None:
    with running_probe(host.root) as probe:
        assert b"current_compute_partition" in probe.frame()
        assert b"@host" not in probe.ask().frame()
        host.put(f"{KFD}/topology/generation_id", "3\n")
        assert b"current_compute_partition" in probe.ask().frame()


def test_memory_on_a_second_context_is_counted_too(host: ScratchHost) -> None:
    gpu = host.gpus[0]
    host.put(f"{KFD}/proc/20000/context_3/vram_{gpu.gpu_id}", "4096\n")
    reading = readings(frames_of(host.root))[0]
    assert next(process for process in reading.processes if process.pid == 20_000).on(gpu.pci) == 64 * GiB + 4096


def test_memory_taken_on_one_more_gpu_is_seen_within_eight_frames(host: ScratchHost) -> None:
    with running_probe(host.root) as probe:
        probe.frame()
        host.put(f"{KFD}/proc/20000/vram_{host.gpus[5].gpu_id}", "4096\n")
        for _ in range(8):
            probe.ask().frame()
    process = next(p for p in readings(bytes(probe.printed))[-1].processes if p.pid == 20_000)
    assert process.on(host.gpus[5].pci) == 4096


def test_a_process_that_begins_is_named_at_once_and_again_when_it_has_its_title(host: ScratchHost) -> None:
    with running_probe(host.root) as probe:
        probe.frame()
        host.process(30_000, {}, word="loading")
        assert b"30000/cmdline:/opt/vllm/bin/python3 -m" in probe.ask().frame()
        host.put("proc/30000/cmdline", "VLLM::EngineCore\0")
        host.pass_to(111)
        assert b"30000/cmdline:VLLM::EngineCore" in probe.ask().frame()


def test_a_process_whose_memory_outlives_it_is_gone(host: ScratchHost) -> None:
    with running_probe(host.root) as probe:
        probe.frame()
        shutil.rmtree(host.root / "proc/20001")
        probe.ask().frame()
    states = {process.pid: process.state for process in readings(bytes(probe.printed))[-1].processes}
    assert (states[20_001], states[20_002]) == ("X", "S")


def test_processes_of_another_container_are_not_gone_but_unknown(host: ScratchHost) -> None:
    shutil.rmtree(host.root / "proc/20001")
    (process,) = [p for p in readings(frames_of(host.root))[0].processes if p.pid == 20_001]
    assert (process.state, process.name, process.owner) == ("?", "pid 20001", None)


def test_a_zombie_and_an_eviction_are_seen_at_the_slow_pace(host: ScratchHost) -> None:
    host.process(20_001, {host.gpus[0].gpu_id: GiB, host.gpus[1].gpu_id: GiB})
    host.put("proc/20001/status", "Name:\tx\nState:\tZ (zombie)\n")
    host.put(f"{KFD}/proc/20001/stats_{host.gpus[0].gpu_id}/evicted_ms", "1500\n")
    host.put(f"{KFD}/proc/20001/stats_{host.gpus[1].gpu_id}/evicted_ms", "20\n")
    process = next(p for p in readings(frames_of(host.root, requests=1))[-1].processes if p.pid == 20_001)
    assert (process.state, process.evicted_ms) == ("Z", 1520)


def test_firmware_tables_of_two_times_tell_how_long_a_gpu_was_held_back(host: ScratchHost) -> None:
    table = f"{PCI}/{host.gpus[3].pci}/gpu_metrics"
    host.put(table, metrics_1_6(1000, 100, clock=1500))
    with running_probe(host.root) as probe:
        probe.frame()
        probe.ask().frame()
        host.put(table, metrics_1_6(6008, 4442))
        host.pass_to(110)
        probe.ask().frame()
        probe.ask().frame()
    found = readings(bytes(probe.printed))
    gpu = next(gpu for gpu in found[-1].gpus if gpu.identity.pci == host.gpus[3].pci)
    assert gpu.throttling and gpu.throttling.power == pytest.approx(86.7, abs=0.01)
    assert gpu.throttling.hbm_thermal == 0
    assert found[1].gpus[0].throttling is None


def test_errors_and_bad_pages_are_counted_and_what_is_not_said_is_not_zero(host: ScratchHost) -> None:
    first, second = (f"{PCI}/{gpu.pci}/ras" for gpu in host.gpus[:2])
    host.put(f"{first}/umc_err_count", "ue: 1\nce: 40\nde: 2\n")
    host.put(f"{first}/gpu_vram_bad_pages", "0x00000001 : 0x00001000 : R\n0x00000002 : 0x00001000 : P\n")
    for block in ("umc", "sdma", "gfx", "mmhub", "xgmi_wafl"):
        host.put(f"{second}/{block}_err_count", "Query currently inaccessible\n")
    by_pci = {gpu.identity.pci: gpu.errors for gpu in readings(frames_of(host.root, requests=1))[-1].gpus}
    bad, silent = by_pci[host.gpus[0].pci], by_pci[host.gpus[1].pci]
    assert bad and (bad.uncorrected, bad.corrected, bad.deferred) == (1, 40, 2)
    assert (bad.retired_pages, bad.pending_pages, bad.unretirable_pages) == (1, 1, 0)
    assert silent and (silent.uncorrected, silent.retired_pages) == (None, 0)


def test_a_gpu_that_tells_its_memory_and_refuses_its_sensors_is_resetting(host: ScratchHost) -> None:
    gpu = host.gpus[2]
    with running_probe(host.root) as probe:
        probe.frame()
        for name in ("gpu_busy_percent", "mem_busy_percent", "hwmon/hwmon4"):
            path = host.root / PCI / gpu.pci / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        probe.ask().frame()
    before, after = readings(bytes(probe.printed))
    assert [reading.identity.pci for reading in after.gpus if reading.resetting] == [gpu.pci]
    assert not any(reading.resetting for reading in before.gpus)
    resetting = next(reading for reading in after.gpus if reading.resetting)
    assert (resetting.used_bytes, resetting.busy_percent, resetting.power_w) == (297_771_008, None, None)


def test_a_gpu_that_sleeps_is_not_woken_and_is_read_again_when_it_is_up(host: ScratchHost) -> None:
    gpu = host.gpus[2]
    power = f"{PCI}/{gpu.pci}/power"
    host.put(f"{power}/control", "auto\n")
    host.put(f"{power}/runtime_status", "suspended\n")
    with running_probe(host.root) as probe:
        probe.frame()
        assert b"@metrics" not in probe.ask().frame()
        host.put(f"{power}/runtime_status", "active\n")
        probe.ask().frame()
    asleep, _, awake = (
        next(found for found in reading.gpus if found.identity.pci == gpu.pci)
        for reading in readings(bytes(probe.printed))
    )
    assert (asleep.asleep, asleep.resetting, asleep.used_bytes, asleep.busy_percent) == (True, False, 297_771_008, None)
    assert (awake.asleep, awake.busy_percent) == (False, 97)


def test_a_host_without_a_gpu_gives_empty_frames(tmp_path: Path) -> None:
    for folder in ("proc/sys/kernel/random", "sys/class"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/uptime").write_text("5.0 1.0\n")
    (reading,) = readings(frames_of(tmp_path))
    assert reading.gpus == ()


@pytest.mark.parametrize("name", SHELLS)
def test_it_ends_when_its_reader_is_gone_even_where_that_signal_is_ignored(host: ScratchHost, name: str) -> None:
    _needed(SHELLS[name][0])
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*SHELLS[name], "-s"],
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.DEVNULL,
        env={"PROBE_ROOT": str(host.root), "PATH": SYSTEM_PATH},
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN) and None,
        restore_signals=False,
    ) as probe:
        os.close(writing)
        assert probe.stdin
        probe.stdin.write(script().encode())
        probe.stdin.flush()
        with os.fdopen(reading, "rb") as lines:
            while not lines.readline().startswith(b"@end"):
                pass
        try:
            for _ in range(3):
                probe.stdin.write(b"\n")
                probe.stdin.flush()
        except BrokenPipeError:
            pass  # it has already ended
        assert probe.wait(20) == 0


def test_it_opens_no_device_and_nothing_that_the_driver_is_slow_to_answer(host: ScratchHost) -> None:
    """A pipe nobody writes to stands where it must not look: whoever opens it waits for ever."""
    traps = ["dev/kfd", "dev/dri/card0", "dev/dri/renderD128"]
    for gpu in host.gpus:
        traps += [f"{PCI}/{gpu.pci}/pcie_bw", f"{PCI}/{gpu.pci}/ras/features", f"{PCI}/{gpu.pci}/ras/df_err_count"]
        traps += [f"{KFD}/proc/20000/sdma_{gpu.gpu_id}", f"{KFD}/proc/20000/stats_{gpu.gpu_id}/cu_occupancy"]
    traps += [
        f"{PCI}/0000:01:00.0/{name}" for name in ("hwmon/hwmon1/temp2_crit", "hwmon/hwmon1/temp3_input", "unique_id")
    ]
    for trap in traps:
        (host.root / trap).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(host.root / trap)
    assert len(readings(frames_of(host.root, requests=9))) == 10


def test_it_writes_nothing() -> None:
    text = "\n".join(line for line in script().splitlines() if not line.lstrip().startswith("#"))
    assert "/dev/" not in text.replace("/dev/null", "")
    assert ">" not in text.replace("2>/dev/null", "")
