"""How ExLlamaV2 puts modules on GPUs (model.py, ``load_autosplit_gen`` and ``set_device_map``).

It never asks how much is free and never balances: modules fill the GPUs strictly in order, and one that does not fit
is taken back and tried on the next. What it reserves while loading is given back afterwards, so it is no cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.estimate.listed import numbers
from fleet.model import Arguments
from fleet.units import GiB, MiB

_RESERVED = (192 * MiB, 64 * MiB)
"""Held while loading on the first GPU, and on each other one it touches, unless told otherwise."""
_LEAST_RESERVED = 256 * MiB
"""Held beside it on the GPU being filled."""
FULL = "Insufficient VRAM for model and cache"
NO_ROOM = "out of memory"
NO_ALLOCATION = "Insufficient space in device allocation"
"""Why a load fails: past the last GPU, on a GPU without room for what is reserved, beyond the split that was told."""


@dataclass(frozen=True, slots=True)
class Module:
    """An attention with its part of the cache, an MLP, or the head. Bytes."""

    weights: int
    cache: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.weights + self.cache


@dataclass(frozen=True, slots=True)
class Filled:
    """Where the modules went: how many each GPU holds, in order, or why they went nowhere."""

    held: tuple[tuple[Module, ...], ...]
    failure: str | None = None


def fill(loaded: Sequence[Module], free: Sequence[int], reserved: Sequence[int], scratch: int) -> Filled:
    """Put modules on GPUs in order. ``reserved`` bytes and ``scratch`` bytes are held on every GPU it touches.

    A GPU without room for what is reserved is not passed over: allocating it fails the whole load.
    """
    held: list[list[Module]] = [[] for _ in free]
    gpu, room = -1, 0
    for module in loaded:
        while module.total > room:
            gpu += 1
            if gpu == len(free):
                return Filled((), FULL)
            room = free[gpu] - reserved[gpu] - _LEAST_RESERVED - scratch
            if room < 0:
                return Filled((), NO_ROOM)
        held[gpu].append(module)
        room -= module.total
    return Filled(tuple(map(tuple, held)))


def split(loaded: Sequence[Module], allowed: Sequence[float], scratch: int) -> Filled:
    """Put modules on GPUs from the last to the first, weights and scratch within ``--gpu-split`` GiB of each.

    The cache goes where its attention went and counts nowhere, so a GPU can run out although its split holds.
    """
    held: list[list[Module]] = [[] for _ in allowed]
    gpu = len(allowed) - 1
    room = allowed[gpu] * GiB - scratch
    for module in reversed(loaded):
        while module.weights > room:
            gpu -= 1
            if gpu < 0:
                return Filled((), NO_ALLOCATION)
            room = allowed[gpu] * GiB - scratch
        held[gpu].insert(0, module)
        room -= module.weights
    return Filled(tuple(map(tuple, held)))


def reserves(args: Arguments, gpus: int) -> tuple[int, ...]:
    """Bytes held on each GPU while loading: ``--autosplit-reserve`` in MB for each, else the defaults."""
    told = numbers(args.text("autosplit-reserve", ""))
    defaults = (_RESERVED[0], *(_RESERVED[1],) * gpus)[:gpus]
    return tuple(round(told[gpu] * MiB) if gpu < len(told) else defaults[gpu] for gpu in range(gpus))
