"""How much PyTorch takes for tensors that stay: its caching allocator, followed tensor by tensor."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from fleet.units import MiB

_SMALL = MiB
"""Up to here tensors share small blocks that are always split."""
_BUFFER = 20 * MiB
"""What is asked of the driver for a tensor up to `_LARGE`."""
_LARGE = 10 * MiB
_DRIVER_STEP = 2 * MiB
"""What larger tensors are rounded up to."""
_GRAIN = 512


def taken_bytes(sizes: Iterable[int]) -> int:
    """Bytes counted as allocated for tensors of those sizes, made in that order and kept.

    A tensor gets the smallest free block that holds it, and the rest of the block is split off only where it is more
    than 1 MiB; a smaller rest counts as taken (c10/cuda/CUDACachingAllocator, ``should_split``). For OPT-125M these
    rests are the 5.7 MiB between its parameters and the 0.2389 GiB vLLM prints.
    """
    free: list[int] = []
    total = 0
    for size in sizes:
        needed = -(-size // _GRAIN) * _GRAIN
        if needed <= _SMALL:
            total += needed
            continue
        place = bisect_left(free, needed)
        if place < len(free):
            block = free.pop(place)
        else:
            block = _BUFFER if needed < _LARGE else -(-needed // _DRIVER_STEP) * _DRIVER_STEP
        left = block - needed
        if left > _SMALL:
            insort(free, left)
            block = needed
        total += block
    return total
