"""Watching a whole fleet through one Prometheus server: two queries a cycle, whatever the number of hosts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fleet.errors import EndpointError
from fleet.inventory import Host, Inventory, Prometheus
from fleet.model import Model
from fleet.readings import HostSnapshot, Link
from fleet.telemetry.prometheus.asking import ask
from fleet.telemetry.prometheus.cycle import FRESH_SECONDS, Cycle, read_cycle
from fleet.telemetry.prometheus.figures import times_query, values_query
from fleet.telemetry.prometheus.naming import HostNames

TIMEOUT_SECONDS = 10.0


class PrometheusSource:
    """Publishes what Prometheus knows of every host, as a host's watcher does, and opens no connection to any."""

    def __init__(
        self,
        inventory: Inventory,
        server: Prometheus,
        publish: Callable[[HostSnapshot], None],
        *,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked before `run`.

        Args:
            inventory: Its hosts are watched; its models are looked for among engines.
            server: Whom to ask.
            publish: Called with every snapshot, from the event loop that runs `run`.
            interval: Seconds between cycles.
            clock: What `HostSnapshot.read_at` is told by, in seconds.
        """
        self._server = server
        self._publish = publish
        self._interval = interval
        self._clock = clock
        self._names = HostNames(inventory)
        self._hosts = {host.name: host for host in inventory.hosts}
        self._snapshots = {name: HostSnapshot(name, Link.CONNECTING) for name in self._hosts}
        self._models: tuple[Model, ...] = ()
        self._number = 0
        self.watch(inventory.models)

    def watch(self, models: Sequence[Model]) -> None:
        """Look for these models' engines instead."""
        self._models = tuple(model for model in models if model.enabled and model.engine.name == "vllm")

    def leave(self, host: str) -> None:
        """Publish nothing of that host any more: somebody reads it better."""
        self._hosts.pop(host, None)

    async def run(self) -> None:
        """Ask for ever. Whatever the server does is published as links and reasons; nothing of it is raised."""
        for host in self._hosts:
            self._publish(self._snapshots[host])
        while True:
            began = self._clock()
            try:
                self._take(await self._cycle())
            except EndpointError as error:
                for host in self._hosts:
                    self._miss(host, str(error))
            await asyncio.sleep(max(0.0, began + self._interval - self._clock()))

    async def _cycle(self) -> Cycle:
        values, times = await asyncio.gather(
            ask(self._server, values_query(self._server.match), TIMEOUT_SECONDS),
            ask(self._server, times_query(self._server.match), TIMEOUT_SECONDS),
        )
        self._number += 1
        return await asyncio.to_thread(
            read_cycle, values, times, tuple(self._hosts.values()), self._models, self._names, self._number
        )

    def _take(self, cycle: Cycle) -> None:
        now = self._clock()
        for name, host in self._hosts.items():
            told = cycle.hosts[name]
            answering = {m.name: cycle.engines[m.name] for m in self._placed_on(host) if m.name in cycle.engines}
            self._snapshots[name] = replace(self._snapshots[name], engines=answering)
            if told.reading is None:
                self._miss(name, told.reason)
            else:
                link = Link.LIVE if told.age_seconds <= FRESH_SECONDS else Link.STALE
                self._show(name, link, told.reason, read_at=now - told.age_seconds, reading=told.reading)

    def _miss(self, host: str, reason: str) -> None:
        """There is no news of a host: what is known of it ages, and then it is lost."""
        before = self._snapshots[host]
        if before.reading is None or before.read_at is None:
            link = Link.UNREACHABLE
        else:
            link = Link.STALE if self._clock() - before.read_at <= FRESH_SECONDS else Link.LOST
        self._show(host, link, reason)

    def _show(self, host: str, link: Link, reason: str, **news: Any) -> None:
        self._snapshots[host] = replace(self._snapshots[host], link=link, reason=reason, **news)
        self._publish(self._snapshots[host])

    def _placed_on(self, host: Host) -> Iterator[Model]:
        return (model for model in self._models if model.place and model.place.host == host.name)
