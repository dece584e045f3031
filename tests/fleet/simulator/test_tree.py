from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_probe import readings, running_probe

from fleet.readings import HostReading, LinkKind
from fleet.simulator.tree import Tree
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join
from fleet.units import GiB

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Bench

LLAMA_8B = ("/opt/vllm/bin/vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--gpu-memory-utilization", "0.5")


def probed(root: Path) -> HostReading:
    """One frame of the real probe, run by the real sh over a tree."""
    done = subprocess.run(
        ["sh", "-s"], input=script(), env={"PROBE_ROOT": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    reader = FrameReader()
    frames = [frame for line in done.stdout.splitlines() if (frame := reader.feed(line))]
    return join(frames[0])


def test_the_probe_sees_eight_idle_gpus_in_hip_order(bench: Bench, tmp_path: Path) -> None:
    Tree(bench.machine, tmp_path).write()
    reading = probed(tmp_path)
    assert [gpu.identity.pci for gpu in reading.gpus] == [card.pci for card in bench.machine.cards]
    assert [gpu.identity.unique_id for gpu in reading.gpus] == [card.unique_id for card in bench.machine.cards]
    assert {gpu.used_bytes for gpu in reading.gpus} == {284 * 1024 * 1024}
    assert {gpu.power_cap_w for gpu in reading.gpus} == {750.0}
    assert {gpu.identity.total_bytes for gpu in reading.gpus} == {206_141_652_992}
    assert reading.processes == ()


def test_every_numbering_of_its_gpus_is_told(bench: Bench, tmp_path: Path) -> None:
    Tree(bench.machine, tmp_path).write()
    found = [gpu.identity for gpu in probed(tmp_path).gpus]
    assert [(who.node, who.drm_card, who.render_minor) for who in found] == [
        (card.node, card.drm_card, card.render_minor) for card in bench.machine.cards
    ]
    assert [who.smi_index for who in found] == [3, 2, 0, 1, 7, 6, 4, 5]


def test_every_gpu_is_one_hop_of_xgmi_from_every_other(bench: Bench, tmp_path: Path) -> None:
    Tree(bench.machine, tmp_path).write()
    with running_probe(tmp_path) as probe:
        probe.frame()
        probe.ask().frame()
    reading = readings(bytes(probe.printed))[-1]
    for gpu in reading.gpus:
        assert {link.to for link in gpu.links} == {other.identity.pci for other in reading.gpus} - {gpu.identity.pci}
        assert {(link.kind, link.hops) for link in gpu.links} == {(LinkKind.XGMI, 1)}


def test_the_firmware_counts_how_long_a_busy_gpu_is_at_its_power_limit(bench: Bench, tmp_path: Path) -> None:
    tree = Tree(bench.machine, tmp_path)
    tree.write()
    with running_probe(tmp_path) as probe:
        probe.frame()
        probe.ask().frame()
        for card in bench.machine.cards[:3]:
            for _ in range(10):
                bench.machine.heat[card].step(0.9 if card.hip_index else 0.0)
        tree.write()
        (tmp_path / "proc/uptime").write_text("9999.00 1.0\n")
        probe.ask().frame()
        probe.ask().frame()
    idle, busy, *_ = readings(bytes(probe.printed))[-1].gpus
    assert idle.throttling and idle.throttling.power == 0
    assert busy.throttling and busy.throttling.power and 5 < busy.throttling.power < 80
    assert busy.throttling.hbm_thermal == 0
    assert busy.memory_clock_mhz == 1300
    assert busy.errors and busy.errors.uncorrected == 0


def test_the_probe_sees_what_a_service_holds_and_whose_it_is(bench: Bench, tmp_path: Path) -> None:
    run = bench.start(*LLAMA_8B, gpus="3")
    bench.machine.advance(bench.machine.now + 60)
    Tree(bench.machine, tmp_path).write()
    reading = probed(tmp_path)
    (process,) = reading.processes
    assert process.owner == f"systemd:{run.unit}"
    assert process.pid == run.processes[1].pid
    assert process.on(bench.card(3).pci) == bench.machine.memory.held(process.pid, bench.card(3))
    assert reading.gpus[3].used_bytes == bench.machine.memory.used(bench.card(3))
    assert reading.gpus[3].temperature_c == pytest.approx(bench.machine.heat[bench.card(3)].celsius, abs=1)
    assert process.command_line.startswith("/opt/vllm/bin/python3 -c from multiprocessing.spawn")


def test_tensor_parallel_workers_are_processes_of_their_own(bench: Bench, tmp_path: Path) -> None:
    bench.start(*LLAMA_8B, "--tensor-parallel-size", "2", gpus="0,1")
    Tree(bench.machine, tmp_path).write()
    held = [[gpu for gpu, _ in process.bytes_by_gpu] for process in probed(tmp_path).processes]
    assert held == [[bench.card(0).pci], [bench.card(1).pci]]


def test_an_ended_process_disappears_and_its_memory_is_still_in_use_for_a_moment(bench: Bench, tmp_path: Path) -> None:
    tree = Tree(bench.machine, tmp_path)
    run = bench.start(*LLAMA_8B, gpus="0")
    tree.write()
    bench.machine.kill(run)
    tree.write()
    reading = probed(tmp_path)
    assert reading.processes == ()
    assert (reading.gpus[0].used_bytes or 0) > 90 * GiB
    assert not list((tmp_path / "proc").glob("[0-9]*"))


def test_only_changed_files_are_written(bench: Bench, tmp_path: Path) -> None:
    tree = Tree(bench.machine, tmp_path)
    bench.start(*LLAMA_8B, gpus="0")
    tree.write()
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    bench.machine.advance(bench.machine.now + 0.2)
    tree.write()
    changed = {path.name for path, inode in before.items() if path.stat().st_ino != inode}
    assert changed == {"uptime"}


def test_no_half_written_file_stays(bench: Bench, tmp_path: Path) -> None:
    Tree(bench.machine, tmp_path).write()
    assert not list(tmp_path.rglob(".*"))
