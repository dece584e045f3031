"""Scratch sysfs and procfs trees of GPU hosts, among them captured ones, for the probe to read."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CAPTURED = Path(__file__).with_name("captured")
KFD = "sys/class/kfd/kfd"
PCI = "sys/bus/pci/devices"
SENSORS = {
    "mem_info_vram_used": 297_771_008,
    "gpu_busy_percent": 97,
    "mem_busy_percent": 61,
    "hwmon/hwmon4/temp2_input": 61_000,
    "hwmon/hwmon4/temp3_input": 55_000,
    "hwmon/hwmon4/power1_input": 540_000_000,
    "hwmon/hwmon4/freq1_input": 2_098_000_000,
}


@dataclass(frozen=True)
class CapturedGpu:
    """A GPU or partition as a line of a captured host has it."""

    node: int
    pci: str
    gpu_id: int
    unique_id: str
    render: int
    card: int | None
    total: int
    hip: int
    smi: int

    @property
    def device(self) -> str:
        return f"{self.pci[:-1]}0"

    @property
    def partition(self) -> int:
        return int(self.pci[-1])


def captured(name: str) -> list[CapturedGpu]:
    """The GPUs of a captured host, in the order of its file."""
    lines = (CAPTURED / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")][1:]
    found = []
    for node, pci, gpu_id, unique_id, render, card, *rest in rows:
        numbers = map(int, rest)
        known_card = None if card == "-" else int(card)
        found.append(CapturedGpu(int(node), pci, int(gpu_id), unique_id, int(render), known_card, *numbers))
    return found


def metrics_1_6(samples: int = 0, power: int = 0, clock: int = 2098) -> bytes:
    """A gpu_metrics table of format 1.6 with everything unknown but a few values."""
    table = bytearray(b"\xff" * 1664)
    struct.pack_into("<HBB", table, 0, 1664, 1, 6)
    struct.pack_into("<6I", table, 32, samples, 0, power, 0, 0, 0)
    struct.pack_into("<H", table, 264, clock)
    return bytes(table)


class ScratchHost:
    """A tree below a folder; every method replaces what was there."""

    def __init__(self, root: Path, gpus: Iterable[CapturedGpu], compute: str = "SPX", memory: str = "NPS1") -> None:
        self.root = root
        self.gpus = list(gpus)
        self._folders: set[Path] = set()
        self.put("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
        self.put(f"{KFD}/topology/generation_id", "2\n")
        self.put(f"{KFD}/topology/nodes/0/gpu_id", "0\n")
        self.put(f"{KFD}/topology/nodes/0/properties", "cpu_cores_count 96\nsimd_count 0\n")
        (root / KFD / "proc").mkdir(parents=True)
        self.pass_to(100)
        for gpu in self.gpus:
            self._node(gpu)
        for device in {gpu.device: gpu for gpu in reversed(self.gpus)}.values():
            self._device(device, compute, memory)

    def put(self, path: str, content: str | bytes) -> None:
        """Write a file."""
        file = self.root / path
        if file.parent not in self._folders:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(file.parent)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def pass_to(self, uptime: float) -> None:
        """Let the clock stand at so many seconds since the host came up."""
        self.put("proc/uptime", f"{uptime:.2f} {uptime * 96:.2f}\n")

    def work(self, second: int) -> None:
        """Let every GPU's sensors and memory be a little different from what they were."""
        for number, gpu in enumerate(self.gpus):
            stir = (second * 7919 + number * 104_729) % 1009
            folder = f"{PCI}/{gpu.device}"
            self.put(f"{folder}/mem_info_vram_used", f"{150_000_000_000 + stir * 4096 * 1024}\n")
            self.put(f"{folder}/gpu_busy_percent", f"{stir % 101}\n")
            self.put(f"{folder}/hwmon/hwmon4/temp2_input", f"{50_000 + stir % 30 * 1000}\n")
            self.put(f"{folder}/hwmon/hwmon4/power1_input", f"{400_000_000 + stir * 1_000_000 // 3}\n")
            self.put(f"{folder}/gpu_metrics", metrics_1_6(second * 1000, second * 900 + stir, 1500 + stir % 600))

    def process(self, pid: int, held: Mapping[int, int], state: str = "S", word: str = "x") -> None:
        """A process that has the driver open and holds so many bytes by gpu_id."""
        for gpu in self.gpus:
            self.put(f"{KFD}/proc/{pid}/vram_{gpu.gpu_id}", f"{held.get(gpu.gpu_id, 0)}\n")
            self.put(f"{KFD}/proc/{pid}/stats_{gpu.gpu_id}/evicted_ms", "0\n")
        name = "VLLM::Worker_TP"
        fields = f"0 -1 4194560 901 2 3 4 5 6 7 8 20 0 99 0 {pid}00 {'184467440737095 ' * 12}"
        self.put(f"proc/{pid}/stat", f"{pid} ({name}) {state} 1 1 1 {fields}\n")
        self.put(f"proc/{pid}/status", f"Name:\t{name}\nState:\t{state} (sleeping)\nUid:\t998\t998\t998\t998\n")
        self.put(f"proc/{pid}/comm", f"{name}\n")
        self.put(f"proc/{pid}/cgroup", f"0::/system.slice/vllm-{pid}.service\n")
        self.put(
            f"proc/{pid}/cmdline", f"/opt/vllm/bin/python3\0-m\0vllm.entrypoints.openai.api_server\0--model\0{word}\0"
        )

    def _node(self, gpu: CapturedGpu) -> None:
        folder = f"{KFD}/topology/nodes/{gpu.node}"
        domain, bus, rest = gpu.pci.split(":")
        location = int(bus, 16) << 8 | int(rest[:2], 16) << 3 | gpu.partition
        properties = {
            "simd_count": 1216,
            "location_id": location,
            "domain": int(domain, 16),
            "drm_render_minor": gpu.render,
            "unique_id": int(gpu.unique_id, 16),
        }
        self.put(f"{folder}/gpu_id", f"{gpu.gpu_id}\n")
        self.put(f"{folder}/properties", "".join(f"{key} {value}\n" for key, value in properties.items()))
        self.put(f"{folder}/mem_banks/0/properties", f"heap_type 1\nsize_in_bytes {gpu.total}\n")

    def _device(self, gpu: CapturedGpu, compute: str, memory: str) -> None:
        folder = f"{PCI}/{gpu.device}"
        parts = sum(other.device == gpu.device for other in self.gpus)
        files: dict[str, object] = {
            "mem_info_vram_total": gpu.total * parts,
            "mem_info_gtt_used": 16_809_984,
            "unique_id": gpu.unique_id,
            "product_name": "AMD Instinct",
            "current_compute_partition": compute,
            "current_memory_partition": memory,
            "hwmon/hwmon4/temp2_label": "junction",
            "hwmon/hwmon4/temp3_label": "mem",
            "hwmon/hwmon4/temp2_crit": 110_000,
            "hwmon/hwmon4/temp3_crit": 105_000,
            "hwmon/hwmon4/power1_cap": 750_000_000,
            f"drm/renderD{gpu.render}/dev": "226:128",
            **{f"ras/{block}_err_count": "ue: 0\nce: 0" for block in ("umc", "sdma", "gfx", "mmhub", "xgmi_wafl")},
            **SENSORS,
        }
        if gpu.card is not None:
            files[f"drm/card{gpu.card}/dev"] = "226:0"
        for name, value in files.items():
            self.put(f"{folder}/{name}", f"{value}\n")
        self.put(f"{folder}/ras/gpu_vram_bad_pages", "")
        self.put(f"{folder}/gpu_metrics", metrics_1_6())
