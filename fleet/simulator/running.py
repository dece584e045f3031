"""A simulated machine in real time: the machine, its service manager, and its files kept up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleet.simulator.physics import Machine
from fleet.simulator.systemd import Manager
from fleet.simulator.tree import Tree

TICK = 0.5
"""Longest time between two looks at the machine, in seconds."""


class RunningMachine:
    """Plays a machine along a clock and lets others wait for what happens on it."""

    def __init__(self, machine: Machine, manager: Manager, tree: Tree, clock: Callable[[], float]) -> None:
        """Nothing runs before `run`.

        Args:
            machine: The machine; its time must not be ahead of the clock.
            manager: Its service manager.
            tree: Its files.
            clock: Unix seconds that never go back.
        """
        self.machine = machine
        self.manager = manager
        self.tree = tree
        self._clock = clock
        self._poked = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            self._play()
            self._poked.clear()
            wait = min(TICK, max(0.0, self.machine.next_event - self._clock()))
            try:
                async with asyncio.timeout(wait):
                    await self._poked.wait()
            except TimeoutError:
                continue

    def poke(self) -> None:
        """Say that something was changed from outside, so that it shows at once."""
        self._play()
        self._poked.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; it is looked at again after everything that happens."""
        while not condition():
            await self._changed.wait()

    async def next_change(self) -> None:
        """Wait until the machine has been played further."""
        await self._changed.wait()

    def _play(self) -> None:
        self.machine.advance(self._clock())
        self.tree.write()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
