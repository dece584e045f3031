"""Who the GPUs of a host are: PCI addresses, and every numbering people and programs use, as views of them.

Each numbering has its own order. KFD numbers topology nodes as drivers come up; HIP counts the nodes that are
GPUs in that order, leaving out those a process may not open (ROCm's libhsakmt); amd-smi and rocm-smi count by PCI
address; DRM numbers cards as they are registered, among them seven that stand for partitions.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from fleet.readings import GpuIdentity
from fleet.telemetry.numbers import whole
from fleet.text import clean

if TYPE_CHECKING:
    from fleet.telemetry.frames import Description, Texts

_CARD = re.compile(r"drm/card([0-9]{1,4})")
_RENDER = re.compile(r"drm/renderD([0-9]{1,4})")


def identify(description: Description) -> tuple[GpuIdentity, ...]:
    """The GPUs of a host, ascending by HIP index; where there is no KFD, by PCI address."""
    nodes = [
        (number, node)
        for text, node in description.nodes.items()
        if whole(node.get("gpu_id")) and (number := whole(text)) is not None
    ]
    nodes.sort(key=itemgetter(0))
    if nodes:
        shared = Counter(_address(node)[0] for _, node in nodes)
        found = [_of_node(index, number, node, description, shared) for index, (number, node) in enumerate(nodes)]
    else:
        devices = sorted(address for address, files in description.devices.items() if "mem_info_vram_total" in files)
        found = [_of_device(index, address, description.devices[address]) for index, address in enumerate(devices)]
    return _ranked(found)


def _ranked(identities: list[GpuIdentity]) -> tuple[GpuIdentity, ...]:
    ranks = {pci: rank for rank, pci in enumerate(sorted({identity.pci for identity in identities}))}
    return tuple(replace(identity, smi_index=ranks[identity.pci]) for identity in identities)


def _address(node: Texts) -> tuple[str, int]:
    """Address of a node's device, and its partition: the PCI function in ``location_id``.

    The kernel's documents put the partition elsewhere; captured hosts have it here.
    """
    location, domain = whole(node.get("location_id")) or 0, whole(node.get("domain")) or 0
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.0", location & 7


def _of_node(index: int, number: int, node: Texts, description: Description, nodes: Counter[str]) -> GpuIdentity:
    address, partition = _address(node)
    device: Texts = description.devices.get(address, {})
    compute = _mode(device, "current_compute_partition")
    partitioned = nodes[address] > 1 or partition > 0 or compute not in (None, "SPX")
    of_device, own = whole(device.get("mem_info_vram_total")), whole(node.get("size_in_bytes"))
    unique_id = _unique_id(device, node)
    return GpuIdentity(
        f"{address[:-1]}{partition}",
        partition,
        gpu_id=str(whole(node.get("gpu_id"))),
        unique_id=unique_id,
        hip_index=index,
        product=_product(device),
        total_bytes=(own or of_device if partitioned else of_device or own) or 0,
        node=number,
        drm_card=None if partition else _drm(device, _CARD),
        render_minor=whole(node.get("drm_render_minor")) or (None if partition else _drm(device, _RENDER)),
        uuid=unique_id and f"GPU-{unique_id}",
        compute_partition=compute,
        memory_partition=_mode(device, "current_memory_partition"),
        is_partition=partitioned,
    )


def _of_device(index: int, address: str, device: Texts) -> GpuIdentity:
    unique_id = _unique_id(device, {})
    return GpuIdentity(
        clean(address, 20),
        partition=0,
        gpu_id="",
        unique_id=unique_id,
        hip_index=index,
        product=_product(device),
        total_bytes=whole(device.get("mem_info_vram_total")) or 0,
        drm_card=_drm(device, _CARD),
        render_minor=_drm(device, _RENDER),
        uuid=unique_id and f"GPU-{unique_id}",
        compute_partition=_mode(device, "current_compute_partition"),
        memory_partition=_mode(device, "current_memory_partition"),
    )


def _unique_id(device: Texts, node: Texts) -> str | None:
    text = device.get("unique_id", "").lower()
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        text = f"{whole(node.get('unique_id')) or 0:016x}"
    return text if int(text, 16) and len(text) == 16 else None


def _product(device: Texts) -> str | None:
    return clean(device.get("product_name", "")) or None


def _mode(device: Texts, name: str) -> str | None:
    return clean(device.get(name, ""), 8) or None


def _drm(device: Texts, pattern: re.Pattern[str]) -> int | None:
    numbers = [int(found[1]) for file in device if (found := pattern.fullmatch(file))]
    return min(numbers, default=None)
