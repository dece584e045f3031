"""GPUs out of the series of exporters: what is told of each, and which one of its host it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fleet.readings import GpuIdentity, GpuReading
from fleet.telemetry.prometheus.figures import FIGURES, Quantity
from fleet.telemetry.prometheus.subjects import Subject
from fleet.text import clean

_PCI = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])")
_AMD_UUID = re.compile(r"([0-9a-f]{2})ff[0-9a-f]{4}-0000-1000-80([0-9a-f]{2})-([0-9a-f]{12})")
"""How amd-smi writes a unique id: its first byte, the device, its second byte, the rest."""


@dataclass(frozen=True, slots=True)
class GpuLabels:
    """Who a GPU is, as far as an exporter's labels say."""

    number: int | None
    """The exporter's own, in the order of PCI addresses. None for AMD's 1.0, which has none."""
    partition: int
    uuid: str
    pci: str
    """``0000:0c:00.0``; empty where it is not said."""
    product: str


@dataclass(slots=True)
class ExportedGpu:
    """What the exporter of a host says of one GPU."""

    labels: GpuLabels
    exporter: str
    values: dict[str, float] = field(default_factory=dict)
    """Plausible ones, in bytes, percent, °C or W, by the name of the series."""

    def value(self, quantity: Quantity) -> float | None:
        """The best of what is said of a quantity."""
        names = (name for name, figure in FIGURES.items() if figure.quantity is quantity)
        return next((self.values[name] for name in names if name in self.values), None)

    @property
    def total_bytes(self) -> int:
        """Its memory, 0 where it is not said; DCGM says it in parts."""
        total = self.value(Quantity.TOTAL)
        used, free = self.value(Quantity.USED), self.value(Quantity.FREE)
        if total is None and used is not None and free is not None:
            total = used + free + (self.value(Quantity.RESERVED) or 0)
        return round(total or 0)


def gpu_labels(labels: Mapping[str, str]) -> GpuLabels | None:
    """Who these labels are about; None for a slice of a GPU (MIG), which a fleet file has no name for."""
    if labels.get("gpu_i_id"):
        return None
    uuid = labels.get("gpu_uuid") or labels.get("uuid") or labels.get("serial_number") or ""
    return GpuLabels(
        number=_whole(labels.get("gpu_id") or labels.get("gpu")),
        partition=_whole(labels.get("gpu_partition_id")) or 0,
        uuid=clean(uuid, 64),
        pci=_pci(labels.get("pci_bus_id") or labels.get("pcie_bus_id") or labels.get("pci_bdf") or ""),
        product=clean(labels.get("card_model") or labels.get("modelname") or "", 80),
    )


def exported_gpus(subjects: Iterable[Subject]) -> dict[GpuLabels, ExportedGpu]:
    """The GPUs that are told of in `figures.FIGURES`, all of one host."""
    found: dict[GpuLabels, ExportedGpu] = {}
    for subject in subjects:
        labels = gpu_labels(subject.labels)
        if labels is None:
            continue
        for name, told in subject.values.items():
            gpu = found.setdefault(labels, ExportedGpu(labels, FIGURES[name].exporter))
            value = FIGURES[name].reads(told)
            if value is not None:
                gpu.values[name] = value
    return found


def numbered(gpus: Mapping[GpuLabels, ExportedGpu], expected: int) -> dict[int, ExportedGpu]:
    """A host's GPUs by the number they have on screen.

    It is the exporter's own, counted through the partitions of partitioned GPUs. Where the exporter gives none, GPUs
    stand in the order of their ids, but only while all of the ``expected`` are there: else the numbers would shift.
    Empty where two would have one number, as when a label takes several machines for one.
    """
    if any(labels.number is None for labels in gpus):
        ordered = sorted(gpus, key=lambda labels: labels.uuid)
        return {index: gpus[labels] for index, labels in enumerate(ordered)} if len(ordered) == expected else {}
    repeated = len({labels.number for labels in gpus}) < len(gpus)
    partitions = 1 + max((labels.partition for labels in gpus), default=0) if repeated else 1
    found = {
        (labels.number or 0) * partitions + (labels.partition if repeated else 0): gpu for labels, gpu in gpus.items()
    }
    return found if len(found) == len(gpus) else {}


def reading(index: int, gpu: ExportedGpu) -> GpuReading:
    """What the exporter says of a GPU, as a reading. The kernel driver's id and the power cap are never said."""
    used, busy = gpu.value(Quantity.USED), gpu.value(Quantity.BUSY)
    identity = GpuIdentity(
        pci=gpu.labels.pci,
        partition=gpu.labels.partition,
        gpu_id="",
        unique_id=_unique_id(gpu.labels.uuid),
        hip_index=index,
        product=gpu.labels.product or None,
        total_bytes=gpu.total_bytes,
    )
    return GpuReading(
        identity,
        used_bytes=None if used is None else round(used),
        busy_percent=None if busy is None else round(busy),
        temperature_c=gpu.value(Quantity.TEMPERATURE),
        memory_temperature_c=gpu.value(Quantity.MEMORY_TEMPERATURE) or None,  # 0 where there is no sensor
        power_w=gpu.value(Quantity.POWER),
    )


def _unique_id(uuid: str) -> str | None:
    amd = _AMD_UUID.fullmatch(uuid.lower())
    if amd:
        return "".join(amd.groups())
    return uuid.removeprefix("GPU-") if uuid.startswith("GPU-") else None


def _pci(text: str) -> str:
    """``00000000:0C:00.0``, as NVIDIA writes it, or ``0000:0c:00.0``."""
    match = _PCI.fullmatch(text.lower())
    return f"{match[1][-4:]}:{match[2]}" if match else ""


def _whole(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,4}", text) else None
