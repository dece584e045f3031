"""How GPUs reach each other, as the kernel's topology has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_probe import frames_of, readings, running_probe
from scratch_host import KFD, ScratchHost, captured

from fleet.readings import GpuIdentity, GpuLink, HostReading, LinkKind
from fleet.telemetry.links import MOST, Links


def gpu(node: int) -> GpuIdentity:
    return GpuIdentity(f"0000:{node:02x}:00.0", 0, str(node), None, node, node=node)


def link(host: ScratchHost, folder: str, kind: int, start: int, end: int, weight: int, bandwidth: int) -> None:
    """A link in the words of a captured MI210 host (ROCm/k8s-device-plugin, testdata/topo-mi210-xgmi-pcie)."""
    host.put(
        f"{KFD}/topology/nodes/{start}/{folder}/{end}/properties",
        f"type {kind}\nversion_major 0\nversion_minor 0\nnode_from {start}\nnode_to {end}\nweight {weight}\n"
        f"min_latency 0\nmax_latency 0\nmin_bandwidth 0\nmax_bandwidth {bandwidth}\nrecommended_transfer_size 0\n"
        "recommended_sdma_engine_id_mask 28\nflags 1\n",
    )


@pytest.fixture
def host(tmp_path: Path) -> ScratchHost:
    """Eight GPUs, of which the first reaches the second over xGMI and the third through the host."""
    host = ScratchHost(tmp_path, captured("mi300x-8"))
    first, second, third, *_ = host.gpus
    link(host, "io_links", 2, first.node, 0, 20, 64_000)
    link(host, "io_links", 11, first.node, second.node, 15, 50_000)
    link(host, "p2p_links", 2, first.node, second.node, 72, 0)
    link(host, "p2p_links", 2, first.node, third.node, 72, 0)
    return host


def of(reading: HostReading, pci: str) -> tuple[GpuLink, ...]:
    (found,) = [gpu.links for gpu in reading.gpus if gpu.identity.pci == pci]
    return found


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix")])
def test_a_gpu_names_its_links_by_the_others_pci_addresses(host: ScratchHost, shell: tuple[str, ...]) -> None:
    reading = readings(frames_of(host.root, shell, 1))[-1]
    first, second, third, *_ = host.gpus
    assert set(of(reading, first.pci)) == {
        GpuLink(second.pci, LinkKind.XGMI, 15, 1, 50_000_000_000),
        GpuLink(third.pci, LinkKind.PCIE, 72),
    }
    assert of(reading, second.pci) == ()


def test_links_are_read_once_and_again_when_the_topology_changed(host: ScratchHost) -> None:
    with running_probe(host.root) as probe:
        probe.frame()
        assert b"@links" in probe.ask().frame()
        for second in range(70):
            host.pass_to(101 + second)
            assert b"@links" not in probe.ask().frame()
        host.put(f"{KFD}/topology/generation_id", "3\n")
        probe.ask().frame()
        assert b"@links" in probe.ask().frame()


def test_a_host_whose_kernel_names_no_links_has_none(tmp_path: Path) -> None:
    host = ScratchHost(tmp_path, captured("mi300x-8"))
    reading = readings(frames_of(host.root, requests=1))[-1]
    assert all(gpu.links == () for gpu in reading.gpus)


def test_hops_are_counted_only_where_the_weight_tells_them() -> None:
    links = Links()
    for row in ("11 1 2 30 50000", "11 1 3 41 50000", "2 1 4 40 0"):
        links.take(row)
    found = links.by_gpu([gpu(node) for node in range(1, 5)])["0000:01:00.0"]
    assert [each.hops for each in found] == [2, None, None]


@pytest.mark.parametrize("line", ["", "11 1 2 15", "99 1 2 15 50000", "11 1 2 -5 50000", "11 1 2 15 5x", "11" * 4000])
def test_garbage_is_no_link(line: str) -> None:
    links = Links()
    links.take(line)
    assert links.by_gpu([gpu(1), gpu(2)])["0000:01:00.0"] == ()


def test_what_is_kept_of_them_is_bounded() -> None:
    links = Links()
    for number in range(MOST + 5):
        links.take(f"11 {number} 1 15 50000")
    assert len(links.by_gpu([gpu(1), gpu(MOST + 1)])[gpu(MOST + 1).pci]) == 0
