"""What can be on one GPU together: the fullest sets of models it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice


def fullest_sets(
    sizes: Sequence[int], room: int, most: int, waste: int | None = None
) -> tuple[tuple[int, ...], ...] | None:
    """Every set of positions whose sizes fit into the room while no other position still does.

    With ``waste``, only those that leave no more than that of the room. None where there are more than ``most``. Sizes
    that do not fit alone are in no set.
    """
    order = sorted((n for n, size in enumerate(sizes) if size <= room), key=lambda n: -sizes[n])
    sets = _Sets([sizes[n] for n in order], room if waste is None else waste)
    found = tuple(islice(sets.beginning((), 0, room, room + 1), most + 1))
    return None if len(found) > most else tuple(tuple(order[n] for n in each) for each in found)


class _Sets:
    """The fullest sets of sizes that descend."""

    def __init__(self, sizes: Sequence[int], waste: int) -> None:
        self._sizes = sizes
        self._waste = waste
        self._rest = [sum(sizes[start:]) for start in range(len(sizes) + 1)]

    def beginning(self, chosen: tuple[int, ...], start: int, left: int, smallest_out: int) -> Iterator[tuple[int, ...]]:
        """Those that begin with the chosen; as sizes descend, what is left out last is the smallest left out."""
        if left - self._rest[start] > self._waste:
            return
        if start == len(self._sizes):
            if smallest_out > left:
                yield chosen
            return
        size = self._sizes[start]
        if size <= left:
            yield from self.beginning((*chosen, start), start + 1, left - size, smallest_out)
        if left - self._rest[start + 1] < size:
            yield from self.beginning(chosen, start + 1, left, size)
