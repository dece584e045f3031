"""What can be on one GPU together: the fullest sets of models it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice


def fullest_sets(sizes: Sequence[int], room: int, most: int) -> tuple[tuple[int, ...], ...] | None:
    """Every set of positions whose sizes fit into the room while no other position still does.

    None where there are more than ``most``. Sizes that do not fit alone are in no set.
    """
    order = sorted((n for n, size in enumerate(sizes) if size <= room), key=lambda n: -sizes[n])
    found = tuple(islice(_fullest([sizes[n] for n in order], room, 0, room + 1, ()), most + 1))
    return None if len(found) > most else tuple(tuple(order[n] for n in each) for each in found)


def _fullest(
    sizes: Sequence[int], left: int, start: int, smallest_out: int, chosen: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """The sets that begin with the chosen; sizes descend, so that what is left out last is the smallest left out."""
    if start == len(sizes):
        if smallest_out > left:
            yield chosen
        return
    if sizes[start] <= left:
        yield from _fullest(sizes, left - sizes[start], start + 1, smallest_out, (*chosen, start))
    if left - sum(sizes[start + 1 :]) < sizes[start]:
        yield from _fullest(sizes, left, start + 1, sizes[start], chosen)
