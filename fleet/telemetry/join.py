"""What a frame means: GPUs by PCI address, processes by what they hold on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from fleet.readings import GpuIdentity, GpuReading, HostReading, ProcessReading
from fleet.telemetry.frames import Description, Frame, Texts
from fleet.telemetry.owners import owner
from fleet.text import clean

BOOT_ID = "proc/sys/kernel/random/boot_id"
_STAT = re.compile(r"\d+ \((?P<name>.*)\) (?P<state>\S) (?P<rest>.*)", re.DOTALL)
_START_FIELD = 22 - 4
"""Where the start time is among the fields of ``stat`` that follow the state; proc(5) numbers it 22."""


def join(frame: Frame) -> HostReading:
    """The reading a frame amounts to. Never raises: what makes no sense is left out."""
    identities = identify(frame.description)
    pci_by_gpu_id = {identity.gpu_id: identity.pci for identity in identities}
    processes = [_process(pid, held, frame, pci_by_gpu_id) for pid, held in frame.held.items()]
    return HostReading(
        clean(frame.description.host.get(BOOT_ID, "")),
        frame.sequence,
        frame.uptime_seconds,
        tuple(_gpu(identity, frame) for identity in identities),
        tuple(process for process in processes if process.bytes_by_gpu),
        tuple(process for process in processes if not process.bytes_by_gpu),
    )


@lru_cache(maxsize=1024)  # the same object from frame to frame
def identify(description: Description) -> tuple[GpuIdentity, ...]:
    """The GPUs of a host, ascending by HIP index.

    HIP numbers the topology nodes that are GPUs in the order of their node numbers (ROCm's libhsakmt), which
    is neither the order of PCI addresses nor that of DRM cards.
    """
    found = []
    for number, node in description.nodes.items():
        gpu_id, rank = _whole(node.get("gpu_id")), _whole(number)
        if gpu_id and rank is not None:
            found.append((rank, str(gpu_id), node))
    found.sort(key=lambda gpu: gpu[0])
    return tuple(_identity(index, gpu_id, node, description) for index, (_, gpu_id, node) in enumerate(found))


def _identity(index: int, gpu_id: str, node: Texts, description: Description) -> GpuIdentity:
    location, domain = _whole(node.get("location_id")) or 0, _whole(node.get("domain")) or 0
    pci = f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.0"
    device: Texts = description.devices.get(pci, {})
    product = clean(device.get("product_name", ""))
    return GpuIdentity(
        pci,
        partition=location & 7,
        gpu_id=gpu_id,
        unique_id=_unique_id(device, node),
        hip_index=index,
        product=product or None,
        total_bytes=_whole(device.get("mem_info_vram_total")) or _whole(node.get("size_in_bytes")) or 0,
    )


def _unique_id(device: Texts, node: Texts) -> str | None:
    text = device.get("unique_id", "").lower()
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        text = f"{_whole(node.get('unique_id')) or 0:016x}"
    return text if int(text, 16) and len(text) == 16 else None


def _gpu(identity: GpuIdentity, frame: Frame) -> GpuReading:
    polled: Texts = frame.polled.get(identity.pci, {})
    device: Texts = frame.description.devices.get(identity.pci, {})
    power = _sensor(polled, "power1_input") or _sensor(polled, "power1_average")
    return GpuReading(
        identity,
        used_bytes=_whole(polled.get("mem_info_vram_used")),
        busy_percent=_whole(polled.get("gpu_busy_percent")),
        temperature_c=_scaled(_labelled(polled, device, "junction"), 1e3),
        memory_temperature_c=_scaled(_labelled(polled, device, "mem"), 1e3),
        power_w=_scaled(power, 1e6),
        power_cap_w=_scaled(_sensor(device, "power1_cap"), 1e6),
    )


def _sensor(texts: Texts, name: str) -> str | None:
    """A hwmon file's content; its folder's number changes from boot to boot."""
    return next((text for file, text in texts.items() if file.endswith(f"/{name}")), None)


def _labelled(polled: Texts, device: Texts, label: str) -> str | None:
    """The temperature of that label; GPU generations number their sensors differently."""
    for file, text in device.items():
        if file.endswith("_label") and text == label:
            return polled.get(f"{file.removesuffix('_label')}_input")
    return None


def _process(pid: int, held: Mapping[str, int], frame: Frame, pci_by_gpu_id: Mapping[str, str]) -> ProcessReading:
    texts: Texts = frame.who.get(pid, {})
    start, state = _stat(texts.get("stat", ""))
    by_gpu: dict[str, int] = {}
    for gpu_id, size in held.items():
        if size and (pci := pci_by_gpu_id.get(gpu_id)):
            by_gpu[pci] = by_gpu.get(pci, 0) + size
    return ProcessReading(
        pid,
        start_ticks=start,
        state=state,
        name=_same(texts.get("comm", ""), 400) or f"pid {pid}",
        command_line=_same(texts.get("cmdline", ""), 2000),
        owner=_owner(texts.get("cgroup", "")),
        bytes_by_gpu=tuple(by_gpu.items()),
    )


# What is told of a process is the same from frame to frame.
_same = lru_cache(maxsize=8192)(clean)
_owner = lru_cache(maxsize=8192)(owner)


@lru_cache(maxsize=8192)
def _stat(text: str) -> tuple[int, str]:
    """A process's start in ticks and its state, by its ``stat``."""
    stat = _STAT.fullmatch(text)
    fields = stat["rest"].split() if stat else []
    start = _whole(fields[_START_FIELD]) if len(fields) > _START_FIELD else None
    return start or 0, clean(stat["state"]) if stat else "?"


def _whole(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 20 and text.isascii() and text.isdigit() else None


def _scaled(text: str | None, unit: float) -> float | None:
    number = _whole(text)
    return None if number is None else number / unit
