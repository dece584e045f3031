"""Who reads the hosts: a watcher each over SSH, or one Prometheus server for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from fleet.inventory import Host, Inventory
from fleet.model import Model
from fleet.readings import HostSnapshot
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.prometheus.source import PrometheusSource
from fleet.telemetry.watcher import HostWatcher

QUERY_INTERVALS = 5
"""Prometheus is asked at every fifth interval: what it has is scraped every 5 to 60 s."""


class Readers:
    """All who publish snapshots of a fleet's hosts, by what its fleet file says of telemetry."""

    def __init__(
        self,
        inventory: Inventory,
        connections: Mapping[str, HostConnection],
        publish: Callable[[HostSnapshot], None],
        interval: float,
    ) -> None:
        """Nothing is read before `run`; ``interval`` is seconds between frames of one host."""
        self._hosts = inventory.hosts
        self._models: Sequence[Model] = inventory.models
        self._connections = connections
        self._publish = publish
        self._interval = interval
        self._source = (
            PrometheusSource(inventory, inventory.prometheus, publish, interval=QUERY_INTERVALS * interval)
            if inventory.prometheus
            else None
        )
        self._watchers = {} if self._source else {host.name: self._watcher(host) for host in self._hosts}
        self._tasks: asyncio.TaskGroup | None = None

    def over_ssh(self, host: str) -> bool:
        """Whether that host is read by a probe, which shows processes and services too."""
        return host in self._watchers

    def watch(self, models: Sequence[Model]) -> None:
        """Look for these models instead."""
        self._models = models
        for reader in self._all():
            reader.watch(models)

    async def run(self) -> None:
        """Read for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            for reader in self._all():
                self._tasks.create_task(reader.run())

    async def move_to_ssh(self, hosts: Collection[str]) -> None:
        """Have these hosts read over SSH from now on.

        Raises UnreachableError, and moves none, where one of them is not reached.
        """
        await asyncio.gather(*(self._connections[name].opened() for name in hosts if not self.over_ssh(name)))
        for host in [host for host in self._hosts if host.name in hosts and not self.over_ssh(host.name)]:
            assert self._source is not None, "a host no watcher reads is read through Prometheus"
            assert self._tasks is not None, "hosts are moved while they are read"
            self._source.leave(host.name)
            self._watchers[host.name] = self._watcher(host)
            self._tasks.create_task(self._watchers[host.name].run())

    def _all(self) -> tuple[PrometheusSource | HostWatcher, ...]:
        return (*([self._source] if self._source else []), *self._watchers.values())

    def _watcher(self, host: Host) -> HostWatcher:
        probe = ProbeOnly(self._connections[host.name])
        return HostWatcher(host, self._models, probe, self._publish, interval=self._interval)
