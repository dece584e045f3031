"""Rollouts of one model on the simulated host, over real SSH: by a console here, or by one that a fault strikes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from console.changing.carrying_out import carry_on, follow, from_the_first, open_journal, rollout_of, undo
from console.operating import Operating
from console.session import Session
from fleet.commands import Write
from fleet.inventory.changes import Change, SetArgument
from fleet.inventory.loading import load
from fleet.planning.json import plan_json
from fleet.planning.plan import Action, Plan
from fleet.planning.planner import make_plan
from fleet.planning.world import read_world
from fleet.readings import HostSnapshot, ServiceWord
from fleet.rollout.events import Event, Outcome, Result
from fleet.rollout.executor import Rollout
from fleet.rollout.journal import Journal, Unfinished
from fleet.simulator.child import Demo

MODEL = "devstral-small"
UNIT = f"vllm-{MODEL}.service"
OWN, OTHER = 0.5, 0.45
"""Its share of a GPU as its own unit has it, and as an overlay does."""
PATIENCE = 60.0
INTERVAL = 0.25
"""Seconds between two readings."""
ROOT = Path(__file__).parents[2]
Steer = Callable[[Rollout, Event], None]
Way = Callable[[Rollout, Journal], Awaitable[Result]]
_FLEET = f"""\
fleet: faults
ssh_config: ./ssh_config
hosts:
  gpu01: {{address: ops@gpu01, accelerator: MI300X, gpus: 8}}
models:
  {MODEL}:
    source: mistralai/Devstral-Small-2505
    engine: vllm 0.9.0
    place: gpu01/1
    service: systemd:{UNIT}
    url: http://127.0.0.1:8004
    drain-timeout: 0.1 s
    args:
      gpu-memory-utilization: {OWN}
      max-model-len: 80000
      enforce-eager: true
"""


class Relay:
    """The line to a host: cut, it breaks off whoever uses it; they may come again."""

    def __init__(self, port: int) -> None:
        """To that port of this machine."""
        self._port = port
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break off what goes over it."""
        for end in self._ends:
            end.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Carries what comes to a port of its own inside the block."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            self.cut()
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, far_writer}
        self._ends |= ends
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        self._ends -= ends


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Site:
    """A fleet of one model on the demo's host, a console over it, and what stands there."""

    def __init__(self, demo: Demo, folder: Path, relay: Relay) -> None:
        self.demo = demo
        self.folder = folder
        self.relay = relay
        self.fleet_file = folder / "fleet.yaml"
        self.session = Session(
            load(self.fleet_file), operating=Operating(), state_folder=folder / "state", interval=INTERVAL
        )
        self.events: list[Event] = []

    @property
    def share(self) -> object:
        """Of a GPU, as the fleet file has it."""
        (model,) = self.session.inventory.models
        return model.args["gpu-memory-utilization"]

    @property
    def change(self) -> Change:
        """To the other share: to that of its own unit an overlay is removed, to the other one is written."""
        return SetArgument(MODEL, "gpu-memory-utilization", OWN if self.share == OTHER else OTHER)

    @property
    def stands(self) -> tuple[bool, object]:
        """Whether it serves, and with which share of a GPU."""
        overlay = self.demo.directory / f"hosts/gpu01/root/etc/systemd/system/{UNIT}.d/50-gpudeck.conf"
        share = OTHER if overlay.exists() and f"--gpu-memory-utilization {OTHER} " in overlay.read_text() else OWN
        snapshot = self.session.board.latest("gpu01")
        return snapshot is not None and _serves(snapshot), share

    async def serving(self) -> None:
        """Wait until it serves."""
        await self.session.board.until("gpu01", _serves, PATIENCE)

    async def plan(self, *changes: Change) -> Plan:
        """Of these changes, or else of the one to the other share."""
        asked, probes = changes or (self.change,), {"gpu01": self.session.probe("gpu01")}
        world = await read_world(self.session.inventory, asked, probes, self.session.board.snapshots)
        return make_plan(self.session.inventory, asked, world)

    async def plan_with(self, kind: Action) -> Plan:
        """One that has a step of that kind, in whichever direction that is."""
        if kind is Action.DRAIN:
            await self.session.board.until("gpu01", _is_asked, PATIENCE)
        if kind in (Action.WRITE, Action.REMOVE) and (kind is Action.WRITE) is not (self.share == OWN):
            assert (await self.go(await self.plan())).outcome is Outcome.DONE
        plan = await self.plan()
        assert kind in {step.action for step in plan.steps}
        return plan

    async def run(self, *words: str) -> None:
        """Have somebody else run a command on the host, as root."""
        assert (await self.session.operator("gpu01").write(Write(words).as_root("sudo"))).ok

    async def go(self, plan: Plan, way: Way = from_the_first, steer: Steer = lambda rollout, event: None) -> Result:
        """Carry it out, or go a way on from where another console left it; the fleet file follows."""

        def watch(event: Event) -> None:
            self.events.append(event)
            steer(rollout, event)

        with closing(open_journal(self.session)) as journal:
            rollout: Rollout = rollout_of(self.session, plan, journal, watch)
            result = await way(rollout, journal)
        assert follow(self.session, plan, result) == ""
        return result

    def follow(self, plan: Plan) -> None:
        """Another console has carried it out."""
        done = Result(Outcome.DONE, "", tuple({step.model for step in plan.steps}))
        assert follow(self.session, plan, done) == ""

    @property
    def unfinished(self) -> Unfinished | None:
        with closing(open_journal(self.session)) as journal:
            return journal.unfinished()

    async def check_way_out(self, way: Way) -> None:
        """A console that comes now ends what another left; ``way`` is to carry it on or to undo it."""
        before, left = self.share, self.unfinished
        assert left is not None
        result = await self.go(left.plan, way)
        assert result.outcome is (Outcome.DONE if way is carry_on else Outcome.ROLLED_BACK)
        assert (self.share == before) == (way is undo)
        assert self.stands == (True, self.share)

    @property
    def left_behind(self) -> list[str]:
        """What of ours is on the host that is no overlay."""
        places = (self.demo.directory / "hosts/gpu01").glob("*/**/*gpudeck-*")
        return [str(place) for place in places]

    async def struck(self, plan: Plan, kind: str, fault: str, environment: Mapping[str, str] = {}) -> Struck:
        """A console of its own carries it out, and in the middle of its step of that kind this is done to it."""
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan_json(plan)))
        script = Path(__file__).with_name("struck_console.py")
        words = [sys.executable, str(script), str(self.fleet_file), str(self.folder / "state"), str(path), kind, fault]
        search = {"PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env={**os.environ, **search, **environment}
        )
        try:
            async with asyncio.timeout(PATIENCE):
                printed, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Struck(process.returncode or 0, printed.decode(), said.decode())


class Struck:
    """How a console ended that something was done to."""

    def __init__(self, status: int, printed: str, said: str) -> None:
        self.status = status
        self.said = said
        """On standard error."""
        self.told: dict[str, Any] = json.loads(printed) if printed else {}
        """Its result, and how far its clock went; nothing where it was killed."""


def _serves(snapshot: HostSnapshot) -> bool:
    service, engine = snapshot.services.get(MODEL), snapshot.engines.get(MODEL)
    return service is not None and service.word is ServiceWord.ACTIVE and engine is not None and bool(engine.healthy)


def _is_asked(snapshot: HostSnapshot) -> bool:
    engine = snapshot.engines.get(MODEL)
    return engine is not None and bool(engine.running)


@asynccontextmanager
async def site(demo: Demo, folder: Path) -> AsyncIterator[Site]:
    """The fleet of one model, watched inside the block."""
    await demo.ready()
    relay = Relay(_port(demo))
    async with relay.open() as port:
        _write_files(demo, folder, port)
        site = Site(demo, folder, relay)
        async with site.session.watching():
            await site.session.first_readings()
            await site.serving()
            yield site


def _port(demo: Demo) -> int:
    return int((demo.directory / "known_hosts").read_text().partition("]:")[2].split()[0])


def _write_files(demo: Demo, folder: Path, port: int) -> None:
    """The fleet, and the demo's own files but for the port."""
    folder.mkdir(exist_ok=True)
    (folder / "fleet.yaml").write_text(_FLEET)
    for name in ("ssh_config", "known_hosts"):
        text = (demo.directory / name).read_text().replace(str(_port(demo)), str(port))
        (folder / name).write_text(text.replace(str(demo.directory / "known_hosts"), str(folder / "known_hosts")))
