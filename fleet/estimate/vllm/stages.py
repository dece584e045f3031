"""Which layers each pipeline stage holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: a run of layers, with the embedding before the first and the head after the last."""

    layers: range
    first: bool
    last: bool


@lru_cache(maxsize=1024)
def stages(layers: int, count: int, partition: tuple[int, ...] = ()) -> tuple[Stage, ...]:
    """The layers in ``count`` stages, a remainder going to the stages before the last (distributed/utils.py).

    ``partition`` gives the layers of each stage instead, where it adds up.
    """
    sizes = [layers // count] * count
    for extra in range(layers % count):
        sizes[-2 - extra] += 1
    if len(partition) == count and sum(partition) == layers:
        sizes = list(partition)
    result, start = [], 0
    for index, size in enumerate(sizes):
        result.append(Stage(range(start, start + size), index == 0, index == count - 1))
        start += size
    return tuple(result)
