"""Who holds how much memory on which GPU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from fleet.simulator.cards import Card


class OutOfMemory(Exception):
    """An allocation larger than what is free; all sizes in bytes."""

    def __init__(self, card: Card, wanted: int, free: int, own: int) -> None:
        super().__init__(f"{wanted} bytes wanted on {card.pci}, {free} free")
        self.card = card
        self.wanted = wanted
        self.free = free
        self.own = own
        """What the process that asked already holds on that GPU."""


class Memory:
    """The memory of a host's GPUs: what processes hold, the driver's own, and what is on its way back."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._held: dict[int, defaultdict[Card, int]] = {}
        self._returning: dict[Card, int] = dict.fromkeys(cards, 0)
        self._sum: dict[Card, int] = dict.fromkeys(cards, 0)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that have a GPU open, oldest first."""
        return tuple(self._held)

    def open(self, pid: int) -> None:
        """A process opens the driver."""
        self._held[pid] = defaultdict(int)

    def held(self, pid: int, card: Card) -> int:
        """Bytes a process holds on a GPU; 0 for one that is gone."""
        return self._held[pid].get(card, 0) if pid in self._held else 0

    def used(self, card: Card) -> int:
        """Bytes in use on a GPU: the driver's own, all processes', and what dead ones have not given back."""
        return card.accelerator.driver_bytes + self._sum[card] + self._returning[card]

    def free(self, card: Card) -> int:
        """Bytes an allocation can have on a GPU."""
        return card.total_bytes - self.used(card)

    def take(self, pid: int, card: Card, size: int) -> None:
        """Allocate. Raises OutOfMemory, and allocates nothing, where the GPU has less free."""
        if size > self.free(card):
            raise OutOfMemory(card, size, self.free(card), self.held(pid, card))
        self._held[pid][card] += size
        self._sum[card] += size

    def give(self, pid: int, card: Card, size: int) -> None:
        """Free at once what a living process allocated."""
        self._held[pid][card] -= size
        self._sum[card] -= size

    def close(self, pid: int) -> Mapping[Card, int]:
        """A process ends; what it held is returned, and stays in use until `reclaim`."""
        held = dict(self._held.pop(pid, {}))
        for card, size in held.items():
            self._sum[card] -= size
            self._returning[card] += size
        return held

    def reclaim(self, card: Card, size: int) -> None:
        """The driver has taken back so much of a dead process's memory."""
        self._returning[card] -= size
