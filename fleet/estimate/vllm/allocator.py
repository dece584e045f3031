"""How much PyTorch takes for tensors that stay: its caching allocator, followed tensor by tensor."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from fleet.units import MiB

_SMALL = MiB
"""Up to here tensors share small blocks that are always split."""
_BUFFER = 20 * MiB
"""What is asked of the driver for a tensor up to `_LARGE`."""
_LARGE = 10 * MiB
_DRIVER_STEP = 2 * MiB
"""What larger tensors are rounded up to."""
_GRAIN = 512


def taken_bytes(runs: Iterable[tuple[Sequence[int], int]]) -> int:
    """Bytes counted as allocated for tensors made in that order and kept: sizes of some, and how often they repeat.

    A tensor gets the smallest free block that holds it, and the rest of the block is split off only where it is more
    than 1 MiB; a smaller rest counts as taken (c10/cuda/CUDACachingAllocator, ``should_split``). For OPT-125M these
    rests are the 5.7 MiB between its parameters and the 0.2389 GiB vLLM prints.
    """
    listed = tuple(runs)
    if any(_SMALL < size < _LARGE for sizes, _ in listed for size in sizes):
        return _followed(size for sizes, count in listed for _ in range(count) for size in sizes)
    return sum(count * sum(map(_alone, sizes)) for sizes, count in listed)


def _alone(size: int) -> int:
    """One tensor's bytes where none is of a size that goes into what others leave."""
    needed = -(-size // _GRAIN) * _GRAIN
    left = -needed % _DRIVER_STEP
    return needed + left if needed >= _LARGE and left <= _SMALL else needed


def _followed(sizes: Iterable[int]) -> int:
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
