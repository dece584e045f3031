"""The newest of what is known of every host, and a way to wait for something to become true of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fleet.readings import HostSnapshot

Subscriber = Callable[[HostSnapshot], None]


class Board:
    """Where watchers publish and everybody else looks. For one event loop; nothing here waits but `until`."""

    def __init__(self) -> None:
        self._latest: dict[str, HostSnapshot] = {}
        self._subscribers: list[Subscriber] = []

    def publish(self, snapshot: HostSnapshot) -> None:
        """Put up a host's newest snapshot and tell the subscribers, in the order they came."""
        self._latest[snapshot.host] = snapshot
        for subscriber in tuple(self._subscribers):
            subscriber(snapshot)

    def latest(self, host: str) -> HostSnapshot | None:
        """A host's newest snapshot; None before the first."""
        return self._latest.get(host)

    @property
    def snapshots(self) -> Mapping[str, HostSnapshot]:
        """Every host's newest snapshot by host name: a view that follows what is published."""
        return MappingProxyType(self._latest)

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Have a function called with every snapshot from now on. Returns what ends it; calling that twice is harmless."""
        entry: Subscriber = lambda snapshot: callback(snapshot)  # noqa: E731 - the same callback may subscribe twice
        self._subscribers.append(entry)

        def unsubscribe() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)

        return unsubscribe

    async def until(
        self, host: str, predicate: Callable[[HostSnapshot], bool], timeout: float
    ) -> HostSnapshot:
        """The first snapshot of a host, beginning with the newest there is, of which the predicate is true.

        Raises TimeoutError after ``timeout`` seconds, and whatever the predicate raises.
        """
        newest = self.latest(host)
        if newest is not None and predicate(newest):
            return newest
        found: asyncio.Future[HostSnapshot] = asyncio.get_running_loop().create_future()

        def look(snapshot: HostSnapshot) -> None:
            if snapshot.host != host or found.done():
                return
            try:
                if predicate(snapshot):
                    found.set_result(snapshot)
            except Exception as error:  # the waiter's own error, which is nothing to the publisher
                found.set_exception(error)

        unsubscribe = self.subscribe(look)
        try:
            async with asyncio.timeout(timeout):
                return await found
        finally:
            unsubscribe()
