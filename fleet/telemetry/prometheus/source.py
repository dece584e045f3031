"""Watching a whole fleet through one Prometheus server: two or three queries a cycle, whatever the number of hosts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fleet.errors import EndpointError
from fleet.inventory import Host, Inventory, Prometheus
from fleet.model import Model
from fleet.readings import EngineReading, HostSnapshot, Link
from fleet.telemetry.prometheus import queries
from fleet.telemetry.prometheus.asking import ask
from fleet.telemetry.prometheus.cycle import FRESH_SECONDS, Cycle, read_cycle
from fleet.telemetry.prometheus.engines import ENGINES, EngineMeter
from fleet.telemetry.prometheus.naming import HostNames

TIMEOUT_SECONDS = 10.0
BUCKET_CYCLES = 6
"""Histograms are asked for in every sixth cycle: latencies are of the last minute anyway."""


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
        self._models = tuple(model for model in models if model.enabled and model.engine.name in ENGINES)
        self._meters = {model.name: EngineMeter(model.engine.name) for model in self._models}

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
        """Raises EndpointError."""
        asked = [queries.values, queries.times]
        if self._number % BUCKET_CYCLES == 0:
            asked.append(queries.buckets)
        match = self._server.match
        answers = await asyncio.gather(*(ask(self._server, query(match), TIMEOUT_SECONDS) for query in asked))
        self._number += 1
        hosts = tuple(self._hosts.values())
        return await asyncio.to_thread(read_cycle, answers, hosts, self._models, self._names, self._number)

    def _take(self, cycle: Cycle) -> None:
        now, engines = self._clock(), self._metered(cycle)
        for name, host in self._hosts.items():
            told = cycle.hosts[name]
            here = {m.name: engines[m.name] for m in self._models if m.name in engines and _is_on(m, host)}
            self._snapshots[name] = replace(self._snapshots[name], engines=here)
            if told.reading is None:
                self._miss(name, told.reason)
            else:
                link = Link.LIVE if told.age_seconds <= FRESH_SECONDS else Link.STALE
                self._show(name, link, told.reason, read_at=now - told.age_seconds, reading=told.reading)

    def _metered(self, cycle: Cycle) -> dict[str, EngineReading]:
        found = {}
        for name, meter in self._meters.items():
            if name in cycle.buckets:
                meter.see_buckets(cycle.buckets[name])
            if name in cycle.engines:
                found[name] = meter.reading(cycle.engines[name])
            else:
                meter.forget()
        return found

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


def _is_on(model: Model, host: Host) -> bool:
    return model.place is not None and model.place.host == host.name
