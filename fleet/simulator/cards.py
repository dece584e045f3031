"""The GPUs of a simulated host, and which of them a process sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.hardware import Accelerator

# An 8-GPU MI300X host as the driver enumerates it: the KFD nodes after two CPU nodes are not in PCI order, so
# HIP index and PCI rank differ. (PCI bus, KFD gpu_id, render minor, last two digits of the unique id.)
_NODES = (
    (0x5C, 22683, 152, 0x34),
    (0x38, 29122, 144, 0x33),
    (0x0C, 28851, 128, 0x31),
    (0x22, 23018, 136, 0x32),
    (0xDF, 63738, 184, 0x38),
    (0xBF, 53667, 176, 0x37),
    (0x9F, 53458, 160, 0x35),
    (0xAF, 63883, 168, 0x36),
)
CPU_NODES = 2
MOST_CARDS = len(_NODES)


@dataclass(frozen=True, slots=True)
class Card:
    """One simulated GPU and all its names."""

    hip_index: int
    """Its rank among the KFD nodes."""
    bus: int
    gpu_id: int
    unique_id: str
    """16 hex digits."""
    render_minor: int
    accelerator: Accelerator

    @property
    def pci(self) -> str:
        """Full PCI address."""
        return f"0000:{self.bus:02x}:00.0"

    @property
    def node(self) -> int:
        """Its KFD topology node."""
        return CPU_NODES + self.hip_index

    @property
    def drm_card(self) -> int:
        """N of its ``cardN``; the seven numbers after it are those of partitions it might have."""
        return self.render_minor - 128

    @property
    def total_bytes(self) -> int:
        """Memory the driver reports."""
        return self.accelerator.total_bytes


def cards(accelerator: Accelerator, count: int, host_number: int = 0) -> tuple[Card, ...]:
    """The first ``count`` GPUs (1 to 8) of a host, by HIP index; unique ids differ from host to host."""
    if not 1 <= count <= MOST_CARDS:
        raise ValueError(f"a simulated host has 1 to {MOST_CARDS} GPUs, not {count}")
    return tuple(
        Card(index, bus, gpu_id, f"{0xE3AA140F9A5F9E00 + tail + (host_number << 8):016x}", minor, accelerator)
        for index, (bus, gpu_id, minor, tail) in enumerate(_NODES[:count])
    )


def visible(environment: Mapping[str, str], on_host: Sequence[Card]) -> tuple[Card, ...]:
    """The GPUs a HIP process sees, in its own order.

    ``ROCR_VISIBLE_DEVICES`` filters and reorders first; ``HIP_VISIBLE_DEVICES``, or ``CUDA_VISIBLE_DEVICES``
    where that is empty, then indexes the survivors. Both lists end at their first wrong entry (ROCr runtime
    amd_topology.cpp, CLR rocdevice.cpp). An empty ROCR list hides every GPU, an empty HIP list none.
    """
    seen = tuple(on_host)
    if "ROCR_VISIBLE_DEVICES" in environment:
        seen = _chosen(environment["ROCR_VISIBLE_DEVICES"], seen)
    wanted = environment.get("HIP_VISIBLE_DEVICES") or environment.get("CUDA_VISIBLE_DEVICES")
    return _chosen(wanted, seen) if wanted else seen


def _chosen(listed: str, among: Sequence[Card]) -> tuple[Card, ...]:
    found: list[Card] = []
    for word in listed.split(","):
        card = _named(word.strip(), among)
        if card is None or card in found:
            break
        found.append(card)
    return tuple(found)


def _named(word: str, among: Sequence[Card]) -> Card | None:
    if word.isascii() and word.isdigit():
        return among[int(word)] if int(word) < len(among) else None
    if len(word) > 4 and word.upper().startswith("GPU-"):
        return next((card for card in among if card.unique_id.startswith(word[4:].lower())), None)
    return None
