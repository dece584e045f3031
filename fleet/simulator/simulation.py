"""One simulated host put together: its folder, machine, services, ports and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.inventory import Host, Inventory
from fleet.model import Model
from fleet.simulator.cards import cards
from fleet.simulator.control import Control, write_shims
from fleet.simulator.endpoints import Endpoints
from fleet.simulator.physics import Machine, Phase
from fleet.simulator.provision import models_of, unit_name, write_units
from fleet.simulator.running import RunningMachine
from fleet.simulator.scenario import Demand, usual
from fleet.simulator.systemd import Manager
from fleet.simulator.tree import Tree

_UP_SECONDS = 4 * 86_400
_SERVING_SECONDS = 3 * 3600
_SETTLING_SECONDS = 440
"""Long enough for the traffic to have shown its highest once."""


class SimulatedHost:
    """One host of a fleet, all its enabled models already serving."""

    def __init__(
        self,
        inventory: Inventory,
        host: Host,
        folder: Path,
        clock: Callable[[], float],
        *,
        seed: int,
        speed: float,
        demand: Demand = usual,
    ) -> None:
        """Set the host up below a folder.

        Args:
            inventory: The fleet it belongs to.
            host: The host.
            folder: Its files; made here.
            clock: Unix seconds that never go back.
            seed: Of all its noise.
            speed: Engines start and stop so many times faster than in life.
            demand: How many requests come.
        """
        self.host = host
        self.folder = folder
        self.root, self.home, self.bin = folder / "root", folder / "home", folder / "bin"
        models = models_of(inventory, host)
        self.home.mkdir(parents=True)
        (self.root / "run").mkdir(parents=True)
        write_shims(self.bin, folder)
        write_units(self.root, models)
        now, number = clock(), inventory.hosts.index(host)
        machine = Machine(
            host.name,
            cards(host.accelerator, host.gpus, number),
            booted=now - _UP_SECONDS,
            now=now - _SERVING_SECONDS,
            seed=seed + number,
        )
        versions = {
            name: model.engine.version for model in models if (name := unit_name(model)) and model.engine.version
        }
        manager = Manager(machine, self.root, versions)
        warm_up(manager, models)
        machine.skip(now)
        machine.speed = speed
        roles = {unit_name(model): model.role for model in models}
        machine.demand = lambda unit, at: demand(roles.get(unit), at - now)
        self.running = RunningMachine(machine, manager, Tree(machine, self.root), clock)
        self.endpoints = Endpoints(self.running)
        self._control = Control(self.running, folder)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Let time pass, answer the shims, open the ports."""
        self.running.poke()
        await self._control.start()
        await self.endpoints.settle()
        self._tasks = {asyncio.create_task(self.running.run()), asyncio.create_task(self.endpoints.run())}

    async def run(self) -> None:
        """Go on for ever. Raises what went wrong where something did."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Stop everything; the folder stays."""
        self._control.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def warm_up(manager: Manager, models: tuple[Model, ...]) -> None:
    """Start all enabled models, one after the other on each GPU, and let their traffic settle."""
    machine = manager.machine
    for wave in _waves(models):
        for name in wave:
            manager.start(name)
        while any(run.phase is Phase.LOADING for run in machine.runs.values()):
            machine.advance(machine.next_event)
    machine.advance(machine.now + _SETTLING_SECONDS)


def _waves(models: tuple[Model, ...]) -> Iterator[list[str]]:
    """Names of units that may start together: no two of a wave share a GPU."""
    waiting = [model for model in models if model.enabled and model.place]
    while waiting:
        taken: set[int] = set()
        wave: list[Model] = []
        later: list[Model] = []
        for model in waiting:
            gpus = set(model.place.gpus) if model.place else set()
            (later if taken & gpus else wave).append(model)
            taken |= gpus
        yield [name for model in wave if (name := unit_name(model))]
        waiting = later
