"""The sysfs and procfs files of a simulated host that a probe reads, written below a folder as its root."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from fleet.simulator.cards import CPU_NODES, Card
from fleet.simulator.engine import Process
from fleet.simulator.firmware import gpu_metrics
from fleet.simulator.physics import Machine, Run
from fleet.units import KiB

_KFD = "sys/class/kfd/kfd"
_PCI = "sys/bus/pci/devices"
_HERTZ = 100
"""Ticks of a second in /proc/PID/stat."""
_GENERATION = 2
_HIVE = 15188982192727901047


class Tree:
    """The files of one machine; `write` brings them to its present state and touches only what changed."""

    def __init__(self, machine: Machine, root: Path) -> None:
        """Write what stays as it is.

        Args:
            machine: Whose state is shown.
            root: The folder that stands for ``/``; it is made where it is missing.
        """
        self._machine = machine
        self._root = root
        self._written: dict[str, str | bytes] = {}
        self._shown: set[int] = set()
        self._folders: set[str] = set()
        (root / _KFD / "proc").mkdir(parents=True, exist_ok=True)
        for path, text in self._static():
            self._put(path, text)

    def write(self) -> None:
        """Show the machine as it is now."""
        for path, text in self._dynamic():
            self._put(path, text)
        living = self._machine.processes
        for pid in self._shown - living.keys():
            self._forget(pid)
        for pid, (run, process) in living.items():
            self._process(pid, run, process)

    def _put(self, path: str, content: str | bytes) -> None:
        """Replace a file whole: whoever reads sees the old content or the new one."""
        if self._written.get(path) == content:
            return
        file = self._root / path
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.rename(file)
        self._written[path] = content

    def _static(self) -> Iterator[tuple[str, str]]:
        yield "proc/sys/kernel/osrelease", "6.8.0-60-generic\n"
        yield "proc/sys/kernel/hostname", f"{self._machine.name}\n"
        yield "proc/sys/kernel/random/boot_id", f"{self._boot_id()}\n"
        yield "sys/module/amdgpu/version", "6.12.12\n"
        yield "sys/module/amdgpu/initstate", "live\n"
        yield f"{_KFD}/topology/generation_id", f"{_GENERATION}\n"
        for node in range(CPU_NODES):
            yield f"{_KFD}/topology/nodes/{node}/gpu_id", "0\n"
            yield f"{_KFD}/topology/nodes/{node}/properties", "cpu_cores_count 96\nsimd_count 0\n"
        for card in self._machine.cards:
            yield from _topology(card)
            yield from _links(card, self._machine.cards)
            yield from _device(card)

    def _boot_id(self) -> uuid.UUID:
        name = f"{self._machine.name} {self._machine.booted}"
        return uuid.uuid5(uuid.NAMESPACE_DNS, name)

    def _dynamic(self) -> Iterator[tuple[str, str | bytes]]:
        machine = self._machine
        up = machine.now - machine.booted
        yield "proc/uptime", f"{up:.2f} {up * 180:.2f}\n"
        load = sum(run.load.running for run in machine.runs.values() if run.load) / 4
        yield "proc/loadavg", f"{load:.2f} {load:.2f} {load:.2f} 2/1900 {max(machine.processes, default=1)}\n"
        for card in machine.cards:
            device, sensors, heat = f"{_PCI}/{card.pci}", _hwmon(card), machine.heat[card]
            yield f"{device}/mem_info_vram_used", f"{machine.memory.used(card)}\n"
            yield f"{device}/gpu_busy_percent", f"{round(heat.busy * 100)}\n"
            yield f"{device}/mem_busy_percent", f"{round(heat.memory_busy * 100)}\n"
            yield f"{sensors}/temp2_input", f"{round(heat.celsius) * 1000}\n"
            yield f"{sensors}/temp3_input", f"{round(heat.memory_celsius) * 1000}\n"
            yield f"{sensors}/power1_input", f"{round(heat.watts) * 1_000_000}\n"
            yield f"{sensors}/freq1_input", f"{heat.megahertz * 1_000_000}\n"
            yield f"{device}/gpu_metrics", gpu_metrics(heat)

    def _process(self, pid: int, run: Run, process: Process) -> None:
        if pid not in self._shown:
            self._shown.add(pid)
            for path, text in self._identity(run, process):
                self._put(path, text)
        if pid in self._machine.memory.pids:
            for card in self._machine.cards:
                held = self._machine.memory.held(pid, card)
                self._put(f"{_KFD}/proc/{pid}/vram_{card.gpu_id}", f"{held}\n")
                if held:
                    self._put(f"{_KFD}/proc/{pid}/stats_{card.gpu_id}/evicted_ms", "0\n")

    def _identity(self, run: Run, process: Process) -> Iterator[tuple[str, str]]:
        pid, folder = process.pid, f"proc/{process.pid}"
        name = process.name[:15]
        ticks = round((process.started - self._machine.booted) * _HERTZ)
        tail = f"0 -1 4194560 1 2 3 4 5 6 7 8 20 0 99 0 {ticks} 1 2 3"
        yield f"{folder}/stat", f"{pid} ({name}) S {process.parent} {run.pid} {run.pid} {tail}\n"
        yield f"{folder}/cgroup", f"0::/system.slice/{run.unit}\n"
        yield f"{folder}/comm", f"{name}\n"
        status = f"Name:\t{name}\nState:\tS (sleeping)\nUid:\t998\t998\t998\t998\nNSpid:\t{pid}\n"
        yield f"{folder}/status", f"{status}VmRSS:\t{6 * KiB * KiB} kB\n"
        yield f"{folder}/cmdline", "".join(f"{word}\0" for word in process.command_line)

    def _forget(self, pid: int) -> None:
        self._shown.discard(pid)
        for folder in (f"{_KFD}/proc/{pid}", f"proc/{pid}"):
            shutil.rmtree(self._root / folder, ignore_errors=True)
            self._folders.discard(folder)
        prefixes = (f"{_KFD}/proc/{pid}/", f"proc/{pid}/")
        self._written = {path: text for path, text in self._written.items() if not path.startswith(prefixes)}


def _hwmon(card: Card) -> str:
    return f"{_PCI}/{card.pci}/hwmon/hwmon{card.bus >> 4}"


def _topology(card: Card) -> Iterator[tuple[str, str]]:
    folder = f"{_KFD}/topology/nodes/{card.node}"
    units = card.accelerator.compute_units
    properties = {
        "cpu_cores_count": 0,
        "simd_count": units * 4,
        "gfx_target_version": 90402,
        "vendor_id": 4098,
        "device_id": 29857,
        "location_id": card.bus << 8,
        "domain": 0,
        "drm_render_minor": card.render_minor,
        "hive_id": _HIVE,
        "unique_id": int(card.unique_id, 16),
        "num_xcc": 8,
    }
    yield f"{folder}/gpu_id", f"{card.gpu_id}\n"
    yield f"{folder}/properties", "".join(f"{key} {value}\n" for key, value in properties.items())
    yield f"{folder}/mem_banks/0/properties", f"heap_type 1\nsize_in_bytes {card.total_bytes}\n"


def _links(card: Card, cards: Sequence[Card]) -> Iterator[tuple[str, str]]:
    """PCIe to its CPU, and one hop of xGMI to every other GPU."""
    others = [(11, other.node, 15, 50_000) for other in cards if other is not card]
    for number, (kind, node, weight, bandwidth) in enumerate([(2, card.bus >> 7, 20, 64_000), *others]):
        properties = {
            "type": kind,
            "version_major": 0,
            "version_minor": 0,
            "node_from": card.node,
            "node_to": node,
            "weight": weight,
            "min_latency": 0,
            "max_latency": 0,
            "min_bandwidth": bandwidth,
            "max_bandwidth": bandwidth,
            "recommended_transfer_size": 0,
            "flags": 1,
        }
        text = "".join(f"{key} {value}\n" for key, value in properties.items())
        yield f"{_KFD}/topology/nodes/{card.node}/io_links/{number}/properties", text


def _device(card: Card) -> Iterator[tuple[str, str]]:
    device, sensors = f"{_PCI}/{card.pci}", _hwmon(card)
    yield f"{device}/vendor", "0x1002\n"
    yield f"{device}/device", "0x74a1\n"
    yield f"{device}/mem_info_vram_total", f"{card.total_bytes}\n"
    yield f"{device}/mem_info_gtt_used", "16000000\n"
    yield f"{device}/unique_id", f"{card.unique_id}\n"
    yield f"{device}/product_name", f"AMD_INSTINCT_{card.accelerator.name}_OAM\n"
    yield f"{device}/numa_node", f"{card.bus >> 7}\n"
    yield f"{device}/current_compute_partition", "SPX\n"
    yield f"{device}/current_memory_partition", "NPS1\n"
    yield f"{device}/power/runtime_status", "active\n"
    yield f"{device}/pcie_replay_count", "0\n"
    yield f"{device}/drm/card{card.drm_card}/dev", f"226:{card.drm_card}\n"
    yield f"{device}/drm/renderD{card.render_minor}/dev", f"226:{card.render_minor}\n"
    for block in ("umc", "sdma", "gfx", "mmhub", "xgmi_wafl"):
        yield f"{device}/ras/{block}_err_count", "ue: 0\nce: 0\n"
    yield f"{device}/ras/gpu_vram_bad_pages", ""
    yield f"{sensors}/name", "amdgpu\n"
    yield f"{sensors}/temp2_label", "junction\n"
    yield f"{sensors}/temp2_crit", "110000\n"
    yield f"{sensors}/temp3_label", "mem\n"
    yield f"{sensors}/temp3_crit", "105000\n"
    yield f"{sensors}/power1_cap", f"{card.accelerator.power_watts * 1_000_000}\n"
