"""A GPU's many numbers, on captured hosts where they all differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from running_probe import frames_of, readings
from scratch_host import KFD, PCI, CapturedGpu, ScratchHost, captured

from fleet.hardware import accelerator
from fleet.planning.overlays import own_place, pins
from fleet.readings import HostReading
from fleet.services import Definition
from fleet.units import GiB

MI300X = accelerator("MI300X")


def read(host: ScratchHost) -> HostReading:
    return readings(frames_of(host.root))[0]


@pytest.mark.parametrize("name", ["mi300x-8", "mi355x-8", "mi308x-cpx-nps4", "mi300x-cpx", "mi210-8"])
def test_every_view_of_a_captured_host_is_as_captured(tmp_path: Path, name: str) -> None:
    gpus = captured(name)
    found = read(ScratchHost(tmp_path, gpus, compute="CPX" if len(gpus) > 8 else "SPX")).gpus
    views = {
        (
            who.pci, who.partition, who.node, who.gpu_id, who.unique_id, who.uuid, who.render_minor, who.total_bytes,
            who.hip_index, who.smi_index,
        )
        for who in (gpu.identity for gpu in found)
    }  # fmt: skip
    assert views == {
        (
            gpu.pci, gpu.partition, gpu.node, str(gpu.gpu_id), gpu.unique_id, f"GPU-{gpu.unique_id}", gpu.render,
            gpu.total, gpu.hip, gpu.smi,
        )
        for gpu in gpus
    }  # fmt: skip
    assert [gpu.identity.hip_index for gpu in found] == list(range(len(gpus)))


@pytest.mark.parametrize("name", ["mi300x-8", "mi355x-8"])
def test_on_real_hosts_no_two_numberings_agree(tmp_path: Path, name: str) -> None:
    found = [gpu.identity for gpu in read(ScratchHost(tmp_path, captured(name))).gpus]
    orders: list[list[int | None]] = [
        [who.hip_index for who in found],
        [who.smi_index for who in found],
        [who.drm_card for who in found],
        [who.node for who in found],
    ]
    assert len({tuple(order) for order in orders}) == len(orders)
    assert [who.drm_card for who in found] == [gpu.card for gpu in sorted(captured(name), key=lambda gpu: gpu.hip)]


def test_there_are_63_partitions_where_drm_has_no_room_for_the_last(tmp_path: Path) -> None:
    found = read(ScratchHost(tmp_path, captured("mi300x-cpx"), compute="CPX")).gpus
    assert len(found) == 63
    assert len({gpu.identity.pci for gpu in found}) == 63
    assert len({gpu.identity.device for gpu in found}) == 8


def test_a_partition_has_its_own_memory_and_shares_its_devices_sensors(tmp_path: Path) -> None:
    gpus = captured("mi308x-cpx-nps4")
    host = ScratchHost(tmp_path, gpus, compute="CPX", memory="NPS4")
    host.process(400, {gpus[1].gpu_id: 7 * GiB, gpus[6].gpu_id: GiB})
    reading = read(host)
    assert [gpu.used_bytes for gpu in reading.gpus[:4]] == [0, 7 * GiB, 0, 0]
    assert {gpu.device_used_bytes for gpu in reading.gpus} == {297_771_008}
    assert [gpu.power_w for gpu in reading.gpus[:5]] == [540.0, None, None, None, 540.0]
    assert {gpu.temperature_c for gpu in reading.gpus} == {61.0}
    assert reading.gpus[1].identity.compute_partition == "CPX"
    assert reading.gpus[1].identity.memory_partition == "NPS4"
    assert dict(reading.processes[0].bytes_by_gpu) == {gpus[1].pci: 7 * GiB, gpus[6].pci: GiB}
    assert reading.held_by("systemd:vllm-400.service") == {1: 7 * GiB, 6: GiB}


def test_a_container_given_one_partition_has_that_ones_memory(tmp_path: Path) -> None:
    gpus = captured("mi308x-cpx-nps4")
    host = ScratchHost(tmp_path, gpus[:1], compute="CPX", memory="NPS4")
    host.put(f"{PCI}/{gpus[0].pci}/mem_info_vram_total", f"{4 * gpus[0].total}\n")
    host.process(400, {gpus[0].gpu_id: 7 * GiB})
    (gpu,) = read(host).gpus
    assert (gpu.identity.is_partition, gpu.identity.total_bytes, gpu.used_bytes) == (True, gpus[0].total, 7 * GiB)


def test_a_container_counts_the_gpus_it_may_see(tmp_path: Path) -> None:
    """Nodes it may not see give no gpu_id; all devices still stand under /sys."""
    gpus = captured("mi300x-8")
    host = ScratchHost(tmp_path, gpus)
    seen = [gpus[2], gpus[5], gpus[7]]
    for gpu in gpus:
        if gpu not in seen:
            (tmp_path / f"{KFD}/topology/nodes/{gpu.node}/gpu_id").unlink()
            (tmp_path / f"{KFD}/topology/nodes/{gpu.node}/properties").unlink()
    found = [gpu.identity for gpu in read(host).gpus]
    assert [(who.hip_index, who.node, who.smi_index) for who in found] == [(0, 9, 0), (1, 12, 2), (2, 15, 1)]
    assert [who.pci for who in found] == [gpus[2].pci, gpus[7].pci, gpus[5].pci]


def test_a_host_without_kfd_shows_its_devices(tmp_path: Path) -> None:
    host = ScratchHost(tmp_path, captured("mi300x-8")[:2])
    (tmp_path / KFD).rename(tmp_path / "elsewhere")
    found = read(host).gpus
    assert [(gpu.identity.pci, gpu.identity.gpu_id, gpu.used_bytes) for gpu in found] == [
        ("0000:0c:00.0", "", 297_771_008),
        ("0000:22:00.0", "", 297_771_008),
    ]


def without_ids(gpus: list[CapturedGpu]) -> list[CapturedGpu]:
    return [replace(gpu, unique_id="0" * 16) for gpu in gpus]


def test_a_gpu_without_an_id_has_none_and_is_pinned_by_its_index(tmp_path: Path) -> None:
    found = [gpu.identity for gpu in read(ScratchHost(tmp_path, without_ids(captured("mi300x-8")))).gpus]
    assert {(who.unique_id, who.uuid) for who in found} == {(None, None)}
    assert pins((3, 5), found, MI300X)["ROCR_VISIBLE_DEVICES"] == "3,5"


def test_whole_gpus_are_pinned_by_their_ids_and_partitions_by_index(tmp_path: Path) -> None:
    found = [gpu.identity for gpu in read(ScratchHost(tmp_path / "a", captured("mi355x-8"))).gpus]
    assert pins((0,), found, MI300X)["ROCR_VISIBLE_DEVICES"] == "GPU-91c3d2f04b7a1103"
    parts = [gpu.identity for gpu in read(ScratchHost(tmp_path / "b", captured("mi308x-cpx-nps4"), "CPX")).gpus]
    assert len({who.unique_id for who in parts[:4]}) == 1
    assert pins((5, 6), parts, MI300X)["ROCR_VISIBLE_DEVICES"] == "5,6"
    assert own_place(Definition((), {"ROCR_VISIBLE_DEVICES": "GPU-91c3d2f04b7a1103"}), found) == (0,)
    several = Definition((), {"ROCR_VISIBLE_DEVICES": f"GPU-{parts[0].unique_id}"})
    assert own_place(several, parts) is None, "it may mean four"
