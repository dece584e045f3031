"""The kinds of accelerator we know: memory, bandwidth, power, compute units, and what a process costs on them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from fleet.units import TB, GiB, MiB


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One hardware kind. Sizes in bytes, bandwidth in bytes per second, power in watts."""

    name: str
    vendor: str
    """``amd`` or ``nvidia``."""
    total_bytes: int
    """Memory the driver reports for one GPU."""
    bandwidth: int
    power_watts: int
    compute_units: int
    driver_bytes: int
    """Memory the driver holds on an idle GPU."""
    context_bytes: int
    """Memory one process's runtime context holds on a GPU it has opened, outside any engine's budget."""
    capability: float | None = None
    """NVIDIA's compute capability where it is below 8, with which bfloat16 came."""
    switched: bool = False
    """Whether its usual server joins GPUs by a switch that reduces in hardware, for which NCCL keeps large buffers."""


def _amd(name: str, total: int, bandwidth: float, watts: int, units: int = 304) -> Accelerator:
    # driver: 297-299 MB read on idle Instinct GPUs, but some 272 of 288 GiB free on an idle MI355X;
    # context: 0.33 GiB, total less free on an idle MI300X VF
    return Accelerator(name, "amd", total, round(bandwidth * TB), watts, units, 284 * MiB, round(0.33 * GiB))


def _nvidia(name: str, total_gib: float, bandwidth: float, watts: int, sms: int, context: float) -> Accelerator:
    total, context_bytes = round(total_gib * GiB), round(context * GiB)
    return Accelerator(
        name, "nvidia", total, round(bandwidth * TB), watts, sms, 0, context_bytes, _OLDER.get(name), name in _SWITCHED
    )


_OLDER = {"T4": 7.5, "V100-16GB": 7.0, "V100-32GB": 7.0}
_SWITCHED = ("H100", "H800", "H200", "H20", "B200", "GB200", "B300", "GB300")


_ALL = (
    _amd("MI300X", 206_141_652_992, 5.3, 750),
    _amd("MI300X-VF", 205_822_885_888, 5.3, 750),
    _amd("MI300A", 128 * GiB, 5.3, 760, 228),
    _amd("MI325X", 262_128 * MiB, 6.0, 1000),
    _amd("MI350X", 308_902_100_992, 8.0, 1000, 256),
    replace(_amd("MI355X", 294_896 * MiB, 8.0, 1400, 256), driver_bytes=round(15.6 * GiB)),
    _amd("MI210", 65_520 * MiB, 1.6, 300, 104),
    _amd("MI250X", 65_520 * MiB, 1.6, 560, 110),
    _amd("MI100", 32_752 * MiB, 1.2, 300, 120),
    _amd("MI50", 32_752 * MiB, 1.0, 300, 60),
    _amd("R9700", 32_624 * MiB, 0.64, 300, 64),
    _amd("7900XTX", 24_560 * MiB, 0.96, 355, 96),
    _nvidia("A100-40GB", 39.39, 1.56, 400, 108, 0.45),
    _nvidia("A100-80GB", 79.14, 2.04, 400, 108, 0.45),
    _nvidia("A800-80GB", 79.14, 2.04, 400, 108, 0.45),
    _nvidia("A10", 22.06, 0.6, 150, 72, 0.25),
    _nvidia("A40", 44.35, 0.7, 300, 84, 0.35),
    _nvidia("A5000", 23.68, 0.77, 230, 64, 0.25),
    _nvidia("A6000", 47.54, 0.77, 300, 84, 0.35),
    _nvidia("T4", 14.58, 0.32, 70, 40, 0.15),
    _nvidia("V100-16GB", 15.77, 0.9, 300, 80, 0.3),
    _nvidia("V100-32GB", 31.74, 0.9, 300, 80, 0.3),
    _nvidia("L4", 22.05, 0.3, 72, 58, 0.25),
    _nvidia("L20", 44.53, 0.86, 275, 92, 0.45),
    _nvidia("L40", 44.39, 0.86, 300, 142, 0.49),
    _nvidia("L40S", 44.39, 0.86, 350, 142, 0.49),
    _nvidia("6000-Ada", 47.50, 0.96, 300, 142, 0.45),
    _nvidia("RTX-PRO-6000", 94.97, 1.8, 600, 188, 0.55),
    _nvidia("RTX-3070", 7.66, 0.45, 220, 46, 0.2),
    _nvidia("RTX-3090", 23.68, 0.94, 350, 82, 0.25),
    _nvidia("RTX-4090", 23.53, 1.0, 450, 128, 0.35),
    _nvidia("RTX-5070-Ti", 15.47, 0.9, 300, 70, 0.23),
    _nvidia("RTX-5090", 31.36, 1.8, 575, 170, 0.45),
    _nvidia("H20", 95.09, 4.0, 400, 78, 0.53),
    _nvidia("H800", 79.19, 3.35, 700, 132, 0.53),
    _nvidia("H100", 79.19, 3.35, 700, 132, 0.53),
    _nvidia("H100-NVL", 93.11, 3.9, 400, 132, 0.53),
    _nvidia("GH200", 94.5, 4.0, 900, 132, 0.53),
    _nvidia("H200", 139.81, 4.8, 700, 132, 0.60),
    _nvidia("B200", 178.35, 8.0, 1000, 148, 0.60),
    _nvidia("GB200", 184.0, 8.0, 1200, 148, 0.60),
    _nvidia("B300", 267.7, 8.0, 1400, 148, 0.60),
    _nvidia("GB300", 276.6, 8.0, 1400, 148, 0.60),
)
_VARIANT = 0.2
"""A size further below the known one belongs to a smaller card of the same name, such as a laptop's."""
_REPORTED = 0.98
"""What a driver reports of the memory a card is sold with."""
_AMD_WORDS = ("amd", "instinct", "radeon", "gfx", "mi2", "mi3", "hygon", "dcu")
SERVERS = ("MI300X", "MI325X", "MI355X", "H100", "H200", "B200", "B300")
"""Kinds that servers of `SERVER_GPUS` are sold with, each GPU joined to each other: AMD's OAM modules on a universal
baseboard, NVIDIA's SXM modules on an HGX board. Memory, bandwidth and power are from the makers' data sheets."""
SERVER_GPUS = 8
ACCELERATORS: dict[str, Accelerator] = {accelerator.name: accelerator for accelerator in _ALL}


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name, case ignored. Raises KeyError for one we do not know."""
    for known in _ALL:
        if known.name.lower() == name.strip().lower():
            return known
    raise KeyError(name)


def recognise(text: str, total_bytes: int | None = None) -> Accelerator | None:
    """The accelerator that free words name, such as ``NVIDIA H100 80GB HBM3`` or ``AMD Instinct MI300X VF``.

    ``total_bytes`` is the memory its driver reports, where that is known; it also tells variants of one name apart.
    For a name nobody knows, one of that size; None where neither name nor size says anything.
    """
    words = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    named = [known for known in _ALL if _words_of(known) <= _tokens(words)]
    said = re.search(r"(\d{1,3}) ?gi?b", text.lower())
    size = total_bytes or (int(said[1]) * GiB if said else None)
    if named:
        most = max(len(_words_of(known)) for known in named)
        found = [known for known in named if len(_words_of(known)) == most]
        near = min(found, key=lambda known: abs(known.total_bytes - size)) if size else found[0]
        if total_bytes:
            return replace(near, total_bytes=total_bytes)
        cut_down = size is not None and size < (1 - _VARIANT) * near.total_bytes
        return replace(near, total_bytes=round(_REPORTED * size)) if size and cut_down else near
    if size is None:
        return None
    vendor = "amd" if any(word in text.lower() for word in _AMD_WORDS) else "nvidia"
    like = min((known for known in _ALL if known.vendor == vendor), key=lambda known: abs(known.total_bytes - size))
    return replace(like, name=text, total_bytes=total_bytes or like.total_bytes)


def _words_of(known: Accelerator) -> frozenset[str]:
    """The words of a name that tell it from others; sizes tell variants apart only by the memory itself."""
    return frozenset(word for word in re.split(r"[^a-z0-9]+", known.name.lower()) if not word.endswith("gb"))


def _tokens(words: list[str]) -> frozenset[str]:
    """Words, and neighbours joined, so that ``RX 7900 XTX`` and ``A10G`` are found too."""
    joined = {first + second for first, second in pairwise(words)}
    return frozenset({*words, *joined, *(word.removesuffix("g") for word in words)})
