"""The newest of what is known of every host, and a way to wait for something to become true of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fleet.readings import HostSnapshot


class Board:
    """Where watchers publish and everybody else looks. For one event loop; nothing here waits but `until`."""

    def __init__(self) -> None:
        self._latest: dict[str, HostSnapshot] = {}
        self._subscribers: dict[object, Callable[[HostSnapshot], None]] = {}

    def publish(self, snapshot: HostSnapshot) -> None:
        """Put up a host's newest snapshot and tell the subscribers, in the order they came."""
        self._latest[snapshot.host] = snapshot
        for subscriber in tuple(self._subscribers.values()):
            subscriber(snapshot)

    def latest(self, host: str) -> HostSnapshot | None:
        """A host's newest snapshot; None before the first."""
        return self._latest.get(host)

    @property
    def snapshots(self) -> Mapping[str, HostSnapshot]:
        """Every host's newest snapshot by host name: a view that follows what is published."""
        return MappingProxyType(self._latest)

    def subscribe(self, callback: Callable[[HostSnapshot], None]) -> Callable[[], None]:
        """Have a function called with every snapshot from now on; what is returned ends that when called."""
        ticket = object()
        self._subscribers[ticket] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(ticket, None)

        return unsubscribe

    async def until(self, host: str, predicate: Callable[[HostSnapshot], bool], timeout: float) -> HostSnapshot:
        """The first snapshot of a host, beginning with the newest there is, of which the predicate is true.

        No snapshot is skipped, so what is true only for a moment is seen.
        Raises TimeoutError after ``timeout`` seconds.
        """
        coming: asyncio.Queue[HostSnapshot] = asyncio.Queue()
        newest = self.latest(host)
        if newest is not None:
            coming.put_nowait(newest)
        unsubscribe = self.subscribe(coming.put_nowait)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    snapshot = await coming.get()
                    if snapshot.host == host and predicate(snapshot):
                        return snapshot
        finally:
            unsubscribe()
