"""GPUs by what amd-smi or rocm-smi print: the last resort, for hosts whose /sys shows nothing of them.

Both take up to seconds, may hang where no signal reaches them, and cannot say who holds memory: ``amd-smi process``
lists each process on every GPU with what it holds on all of them together. So they are asked for GPUs alone, beside
everything else, and for a limited time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fleet.commands import Read, Reader
from fleet.errors import GpudeckError
from fleet.readings import GpuIdentity, GpuReading
from fleet.telemetry.numbers import decimal, whole
from fleet.text import clean
from fleet.units import MiB

_DEADLINE_SECONDS = 30.0
"""For each call; what takes longer is left to itself."""

_LISTS = (Read(("amd-smi", "list", "-e", "--json")), Read(("amd-smi", "list", "--json")))
"""Releases before ROCm 6.4 know no ``-e``."""
_METRICS = Read(("amd-smi", "metric", "-u", "-m", "-p", "-t", "--json"))
_ROCM = Read(
    ("rocm-smi", "--showmeminfo", "vram", "--showuse", "--showtemp", "--showpower", "--showbus", "--showuniqueid",
     "--showproductname", "--showid", "--json")
)  # fmt: skip
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_UUID = re.compile(r"([0-9a-f]{2})ff[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{2}([0-9a-f]{2})-([0-9a-f]{12})")

_Object = Mapping[str, Any]


async def ask_vendor_tools(host: Reader) -> tuple[GpuReading, ...]:
    """What amd-smi says of the GPUs, or else rocm-smi, ascending by HIP index; nothing where neither does.

    To be awaited beside a host's other readings, never before them. Raises nothing of `fleet.errors`.
    """
    metrics = await _printed(host, _METRICS)
    if metrics:
        for command in _LISTS:
            found = amd_smi_gpus(await _printed(host, command), metrics)
            if found:
                return found
    return rocm_smi_gpus(await _printed(host, _ROCM))


async def _printed(host: Reader, command: Read) -> str:
    """Also of a command that failed: rocm-smi warns by its exit status."""
    try:
        return (await host.read(command, _DEADLINE_SECONDS)).stdout
    except GpudeckError:
        return ""


def amd_smi_gpus(listing: str, metrics: str) -> tuple[GpuReading, ...]:
    """The GPUs of ``amd-smi list`` with the figures of ``amd-smi metric``, both as JSON of any release.

    What it says of partitions is the whole GPU's, again for each or not at all, so their memory is not known.
    """
    figures = {_count(entry.get("gpu")): entry for entry in _entries(metrics)}
    found = []
    for entry in _entries(listing):
        pci = str(entry.get("bdf", "")).lower()
        number = _count(entry.get("gpu"))
        if _PCI.fullmatch(pci) and number is not None:
            found.append(_amd_smi_gpu(pci, number, entry, figures.get(number, {})))
    partitioned = {gpu.identity.device for gpu in found if gpu.identity.partition}
    return _in_hip_order(_without_memory(gpu) if gpu.identity.device in partitioned else gpu for gpu in found)


def _amd_smi_gpu(pci: str, number: int, entry: _Object, figures: _Object) -> GpuReading:
    unique_id = _unique_id(entry)
    node, hip = _count(entry.get("node_id")), _count(entry.get("hip_id"))
    partition = int(pci[-1])
    memory, power = _object(figures, "mem_usage"), _object(figures, "power")
    heat, usage = _object(figures, "temperature"), _object(figures, "usage")
    used = _mebibytes(memory.get("used_vram"))
    power_w = _number(power.get("socket_power"))
    hotspot = _number(heat.get("hotspot"))
    identity = GpuIdentity(
        pci,
        partition,
        gpu_id=str(_count(entry.get("kfd_id")) or ""),
        unique_id=unique_id,
        hip_index=hip if hip is not None else node or 0,
        total_bytes=_mebibytes(memory.get("total_vram")) or 0,
        node=node,
        smi_index=number,
        drm_card=_trailing(entry.get("card")),
        render_minor=_trailing(entry.get("render")),
        uuid=unique_id and f"GPU-{unique_id}",
    )
    return GpuReading(
        identity,
        used_bytes=used,
        busy_percent=_rounded(_number(usage.get("gfx_activity"))),
        temperature_c=_number(heat.get("edge")) if hotspot is None else hotspot,
        memory_temperature_c=_number(heat.get("mem")),
        power_w=None if partition else power_w,
        memory_busy_percent=_rounded(_number(usage.get("umc_activity"))),
        device_used_bytes=used,
        gtt_bytes=_mebibytes(memory.get("used_gtt")),
    )


def rocm_smi_gpus(printed: str) -> tuple[GpuReading, ...]:
    """The GPUs of ``rocm-smi --json`` of any release; those without a PCI address, and second partitions, left out."""
    cards: Any = next(iter(_documents(printed)), {})
    found: dict[str, GpuReading] = {}
    for name, card in cards.items() if isinstance(cards, dict) else ():
        number = re.fullmatch(r"card([0-9]{1,4})", name)
        pci = str(card.get("PCI Bus", "")).lower() if isinstance(card, dict) else ""
        if number and _PCI.fullmatch(pci) and pci not in found:
            found[pci] = _rocm_smi_gpu(pci, int(number[1]), card)
    return _in_hip_order(found.values())


def _rocm_smi_gpu(pci: str, number: int, card: _Object) -> GpuReading:
    def said(*keys: str) -> float | None:
        return next((value for key in keys if (value := _number(card.get(key))) is not None), None)

    unique = str(card.get("Unique ID", "")).removeprefix("0x").lower()
    unique_id = unique if re.fullmatch("[0-9a-f]{16}", unique) and int(unique, 16) else None
    node = _count(card.get("Node ID"))
    used = _count(card.get("VRAM Total Used Memory (B)"))
    identity = GpuIdentity(
        pci,
        partition=int(pci[-1]),
        gpu_id=str(_count(card.get("GUID")) or ""),
        unique_id=unique_id,
        hip_index=number if node is None else node,
        product=clean(str(card.get("Card Series") or card.get("Card series") or ""), 80) or None,
        total_bytes=_count(card.get("VRAM Total Memory (B)")) or 0,
        node=node,
        smi_index=number,
        uuid=unique_id and f"GPU-{unique_id}",
    )
    return GpuReading(
        identity,
        used_bytes=used,
        busy_percent=_rounded(said("GPU use (%)")),
        temperature_c=said("Temperature (Sensor junction) (C)", "Temperature (Sensor edge) (C)"),
        memory_temperature_c=said("Temperature (Sensor memory) (C)"),
        power_w=said("Current Socket Graphics Package Power (W)", "Average Graphics Package Power (W)"),
        power_cap_w=said("Max Graphics Package Power (W)"),
        memory_busy_percent=_rounded(said("GPU Memory Read/Write Activity (%)")),
        device_used_bytes=used,
    )


def _in_hip_order(gpus: Iterable[GpuReading]) -> tuple[GpuReading, ...]:
    """By what stands for the index, a HIP or node number, made the rank that it means."""
    ordered = sorted(gpus, key=lambda gpu: (gpu.identity.hip_index, gpu.identity.pci))
    return tuple(replace(gpu, identity=replace(gpu.identity, hip_index=rank)) for rank, gpu in enumerate(ordered))


def _without_memory(gpu: GpuReading) -> GpuReading:
    return replace(gpu, identity=replace(gpu.identity, total_bytes=0), used_bytes=None)


def _unique_id(entry: _Object) -> str | None:
    """From HIP's name for it, else from AMD SMI's UUID, which has the same digits among others."""
    hip = str(entry.get("hip_uuid", "")).lower().removeprefix("gpu-")
    if re.fullmatch("[0-9a-f]{16}", hip) and int(hip, 16):
        return hip
    found = _UUID.fullmatch(str(entry.get("uuid", "")).lower())
    digits = "".join(found.groups()) if found else "0"
    return digits if int(digits[4:] or "0", 16) else None


def _entries(printed: str) -> list[_Object]:
    """The GPUs of a document: in an array of its own, or under ``gpu_data`` from release 7 on."""
    for document in _documents(printed):
        listed = document.get("gpu_data") if isinstance(document, dict) else document
        if isinstance(listed, list):
            return [entry for entry in listed if isinstance(entry, dict)]
    return []


def _documents(printed: str) -> Iterable[Any]:
    """The first JSON document in a text; tools print warnings before it and legends after it."""
    start = min((at for bracket in "[{" if (at := printed.find(bracket)) >= 0), default=None)
    if start is not None:
        try:
            yield json.JSONDecoder().raw_decode(printed, start)[0]
        except (ValueError, RecursionError):
            return


def _object(entry: _Object, key: str) -> _Object:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    """Of ``{"value": 3, "unit": "W"}``, 3, "3" and "3.5"; None for "N/A" and all else."""
    if isinstance(value, dict):
        value = value.get("value")
    return decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return whole(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _mebibytes(value: Any) -> int | None:
    """Bytes of what amd-smi calls MB."""
    number = _number(value)
    return None if number is None else round(number * MiB)


def _trailing(value: Any) -> int | None:
    """N of ``renderDN`` and ``cardN``."""
    found = re.fullmatch(r"(?:renderD|card)([0-9]{1,6})", str(value))
    return int(found[1]) if found else None
