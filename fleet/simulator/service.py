"""All hosts of a fleet file served together, and the files by which a client finds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from fleet.inventory.loading import load_text
from fleet.simulator.guard import Guard
from fleet.simulator.host import SshHost, new_key, public_line, write_private_key
from fleet.simulator.provision import known_hosts, ssh_config
from fleet.simulator.scenario import Demand, usual
from fleet.simulator.simulation import SimulatedHost


class Service:
    """The simulated hosts of one fleet, below one folder."""

    def __init__(
        self,
        directory: Path,
        fleet: str,
        clock: Callable[[], float],
        *,
        seed: int,
        speed: float,
        demand: Demand = usual,
    ) -> None:
        """Set every host up; nothing listens yet.

        Args:
            directory: Where fleet.yaml, ssh_config, known_hosts and key go.
            fleet: The text of the fleet file.
            clock: Unix seconds that never go back.
            seed: Of all noise.
            speed: Engines start and stop so many times faster than in life.
            demand: How many requests come.

        Raises FleetFileError where the text is no fleet file.
        """
        self._directory = directory
        self._fleet = fleet
        self._inventory = load_text(fleet, directory / "fleet.yaml")
        self._client_key = new_key()
        self._guard = Guard()
        self._hosts = [
            SshHost(
                SimulatedHost(
                    self._inventory,
                    host,
                    directory / "hosts" / host.name,
                    clock,
                    seed=seed,
                    speed=speed,
                    demand=demand,
                ),
                self._client_key,
                self._guard,
            )
            for host in self._inventory.hosts
        ]

    @property
    def ports(self) -> Mapping[str, int]:
        """The port of each host's SSH server; known once it listens."""
        return {served.simulated.host.name: served.port for served in self._hosts}

    async def start(self) -> None:
        """Listen, then write the files that say where."""
        for served in self._hosts:
            await served.simulated.start()
            await served.start()
        keys = {served.simulated.host.name: public_line(served.key) for served in self._hosts}
        write_private_key(self._client_key, self._directory / "key")
        for name, text in (
            ("known_hosts", known_hosts(self.ports, keys)),
            ("ssh_config", ssh_config(self._directory, self.ports, self._inventory.hosts)),
            ("fleet.yaml", self._fleet),
        ):
            (self._directory / name).write_text(text, encoding="utf-8")

    async def run(self) -> None:
        """Go on for ever. Raises what went wrong where something did."""
        await asyncio.gather(*(served.simulated.run() for served in self._hosts))

    async def close(self) -> None:
        """End every session and stop listening; the files stay."""
        for served in self._hosts:
            await served.close()
            await served.simulated.close()
        self._guard.close()
