"""What a frame means: GPUs by PCI address, processes by what they hold on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from fleet.readings import GpuIdentity, GpuReading, HostReading, ProcessReading
from fleet.telemetry.frames import Frame, Texts
from fleet.telemetry.gpu_metrics import Metrics, throttling
from fleet.telemetry.numbers import whole
from fleet.telemetry.nvidia import nvidia_gpus
from fleet.telemetry.processes import ProcessFacts
from fleet.text import clean

BOOT_ID = "proc/sys/kernel/random/boot_id"
_USED = "mem_info_vram_used"
_GONE = "X"


def join(frame: Frame) -> HostReading:
    """The reading a frame amounts to. Never raises: what makes no sense is left out."""
    if frame.description.nvidia:
        gpus = nvidia_gpus(frame)
        pci_by_gpu_id = {gpu.identity.uuid or "": gpu.identity.pci for gpu in gpus}
    else:
        gpus = _gpus(frame.description.identities, frame)
        pci_by_gpu_id = {gpu.identity.gpu_id: gpu.identity.pci for gpu in gpus}
    processes = [_process(pid, held, frame, pci_by_gpu_id) for pid, held in frame.held.items()]
    return HostReading(
        clean(frame.description.host.get(BOOT_ID, "")),
        frame.sequence,
        frame.uptime_seconds,
        gpus,
        tuple(process for process in processes if process.bytes_by_gpu),
        tuple(process for process in processes if not process.bytes_by_gpu),
    )


def _gpus(identities: Iterable[GpuIdentity], frame: Frame) -> tuple[GpuReading, ...]:
    seen: set[str] = set()
    found = []
    for identity in identities:
        found.append(_gpu(identity, frame, first=identity.device not in seen))
        seen.add(identity.device)
    return tuple(found)


def _gpu(identity: GpuIdentity, frame: Frame, first: bool) -> GpuReading:
    """One GPU. What its sensor files do not say (virtual functions have few), its newest firmware table may."""
    polled: Texts = frame.polled.get(identity.device, {})
    rare: Texts = frame.slow.rare.get(identity.device, {})
    device: Texts = {**frame.description.devices.get(identity.device, {}), **rare}
    tables = frame.slow.metrics.get(identity.device, ())
    used = whole(polled.get(_USED))
    asleep = identity.device in frame.asleep
    refused = used is not None and len(polled) == 1 and len(frame.description.columns[identity.device]) > 1
    newest = tables[-1] if tables and not refused else Metrics()
    sensors: Texts = polled if refused else {**frame.slow.sensors.get(identity.device, {}), **polled}
    held = sum(sizes.get(identity.gpu_id, 0) for sizes in frame.held.values()) if identity.is_partition else used
    power = _sensor(polled, "power1_input") or _sensor(polled, "power1_average")
    junction = _labelled(device, "junction") or _labelled(device, "edge")
    memory = _labelled(device, "mem")
    return GpuReading(
        identity,
        used_bytes=held,
        busy_percent=_said(whole(polled.get("gpu_busy_percent")), newest.busy_percent),
        temperature_c=_said(_scaled(polled.get(f"{junction}_input"), 1e3), newest.hotspot_c),
        memory_temperature_c=_said(_scaled(sensors.get(f"{memory}_input"), 1e3), newest.memory_c),
        power_w=_said(_scaled(power, 1e6), newest.power_w) if first else None,
        power_cap_w=_scaled(_sensor(device, "power1_cap"), 1e6) if first else None,
        memory_busy_percent=_said(whole(sensors.get("mem_busy_percent")), newest.memory_busy_percent),
        clock_mhz=_said(_megahertz(_sensor(sensors, "freq1_input")), newest.clock_mhz),
        memory_clock_mhz=newest.memory_clock_mhz,
        temperature_limit_c=_scaled(device.get(f"{junction}_crit"), 1e3),
        memory_temperature_limit_c=_scaled(device.get(f"{memory}_crit"), 1e3),
        device_used_bytes=used,
        gtt_bytes=whole(sensors.get("mem_info_gtt_used")),
        resetting=refused and not asleep,
        asleep=asleep,
        throttling=throttling(*tables) if len(tables) == 2 else None,
        errors=frame.slow.errors.get(identity.device),
        links=frame.slow.links.by_gpu(frame.description.identities).get(identity.pci, ()),
    )


_Number = TypeVar("_Number", int, float)


def _said(first: _Number | None, second: _Number | None) -> _Number | None:
    return second if first is None else first


def _sensor(texts: Texts, name: str) -> str | None:
    """A hwmon file's content; its folder's number changes from boot to boot."""
    return next((text for file, text in texts.items() if file.endswith(f"/{name}")), None)


def _labelled(device: Texts, label: str) -> str | None:
    """The hwmon sensor of that label, ``hwmon/hwmon3/temp2``; GPU generations number theirs differently."""
    for file, text in device.items():
        if text == label and file.endswith("_label"):
            return file.removesuffix("_label")
    return None


def _process(pid: int, held: Mapping[str, int], frame: Frame, pci_by_gpu_id: Mapping[str, str]) -> ProcessReading:
    known = frame.who.get(pid, ProcessFacts())
    by_gpu: dict[str, int] = {}
    for gpu_id, size in held.items():
        if size and (pci := pci_by_gpu_id.get(gpu_id)):
            by_gpu[pci] = by_gpu.get(pci, 0) + size
    return ProcessReading(
        pid,
        known.start_ticks,
        _state(pid, frame, known.state),
        known.name or f"pid {pid}",
        known.command_line,
        known.owner,
        bytes_by_gpu=tuple(by_gpu.items()),
        evicted_ms=frame.slow.evicted_ms.get(pid),
    )


def _state(pid: int, frame: Frame, at_first: str | None) -> str:
    """The newest that is known. One that never was in /proc is of another container, not gone."""
    if at_first is None:
        return "?"
    return _GONE if pid in frame.gone else frame.slow.letters.get(pid, at_first)


def _scaled(text: str | None, unit: float) -> float | None:
    number = whole(text)
    return None if number is None else number / unit


def _megahertz(hertz: str | None) -> int | None:
    number = whole(hertz)
    return None if number is None else number // 1_000_000
