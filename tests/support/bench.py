"""A fleet on the fake host, and plans and rollouts over it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from fake_host import GPUS, LOAD_TICKS, FakeHost, Unit

from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, apply
from fleet.model import Engine, Model, Place
from fleet.planning.plan import Plan
from fleet.planning.planner import make_plan
from fleet.planning.world import read_world
from fleet.readings import ServiceWord
from fleet.rollout.events import Event, Phase, Result
from fleet.rollout.executor import Rollout
from fleet.rollout.journal import Journal, Unfinished
from fleet.units import GiB


class Bench:
    """A fleet on a fake host, and rollouts over it with a journal really on disk."""

    def __init__(self, path: Path) -> None:
        self.host = FakeHost()
        self.inventory = Inventory("test", (Host("gpu01", "ops@gpu01", "MI300X", GPUS),), ())
        self.events: list[Event] = []
        self.path = path
        self.clock = 1_795_262_400.0

    def add(self, name: str, place: str, size_gib: int, *, enabled: bool = True) -> None:
        """A model whose own unit places it there; an enabled one serves already."""
        gpus = Place.parse(place).gpus
        size = size_gib * GiB
        own = f"[Service]\nEnvironment=HIP_VISIBLE_DEVICES={','.join(map(str, gpus))}\nExecStart=/opt/serve {name}\n"
        unit = Unit(name, size, own)
        if enabled:
            unit.boots, unit.word, unit.age, unit.gpus = True, ServiceWord.ACTIVE, LOAD_TICKS, gpus
        self.host.units[unit.name] = unit
        model = Model(
            name, Engine("other"), place=Place.parse(place), service=unit.service, url="http://127.0.0.1:1",
            memory_bytes=size, enabled=enabled,
        )  # fmt: skip
        self.inventory = Inventory("test", self.inventory.hosts, (*self.inventory.models, model))
        self.host.tick()

    async def plan(self, *changes: Change) -> Plan:
        world = await read_world(self.inventory, changes, {"gpu01": self.host}, self.host.snapshots)
        return make_plan(self.inventory, changes, world)

    def journal(self) -> Journal:
        return Journal(self.path, lambda: self.clock)

    def rollout(
        self, plan: Plan, journal: Journal, on_event: Callable[[Event], None] | None = None, **options: Any
    ) -> Rollout:
        """A rollout of that plan; the options are its own."""
        tell = on_event or self.events.append
        options.setdefault("operator", "ops@here")
        return Rollout(plan, {"gpu01": self.host}, self.host, journal, tell, clock=lambda: self.clock, **options)

    async def resumed(self, **options: Any) -> Result:
        """The next console carries the unfinished rollout on, by an old reading at first."""
        with closing(self.journal()) as journal:
            found = journal.unfinished()
            assert found is not None
            return await self.rollout(found.plan, journal, **options).go_on_from(found.id, found.done)

    async def accepted(self) -> Result:
        """The next console leaves the unfinished rollout as it stands, by an old reading at first."""
        with closing(self.journal()) as journal:
            found = journal.unfinished()
            assert found is not None
            return await self.rollout(found.plan, journal).accept(found.id, found.done)

    async def undone(self) -> Result:
        """The next console takes the unfinished rollout back, by an old reading at first."""
        with closing(self.journal()) as journal:
            found = journal.unfinished()
            assert found is not None
            begun = [touch.n for touch in found.touches if touch.phase is Phase.PLAN]
            return await self.rollout(found.plan, journal).restore(found.id, begun)

    async def run(self, *changes: Change) -> Result:
        """Plan these changes and carry them out."""
        journal = self.journal()
        try:
            return await self.rollout(await self.plan(*changes), journal).run()
        finally:
            journal.close()

    def unfinished(self) -> Unfinished | None:
        journal = self.journal()
        try:
            return journal.unfinished()
        finally:
            journal.close()

    def follow(self, *changes: Change) -> None:
        """The fleet file is as these changes say."""
        self.inventory = apply(self.inventory, changes)

    def said(self, kind: str) -> list[str]:
        return [event.message for event in self.events if event.kind == kind]
