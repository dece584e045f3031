from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from fleet.hardware import accelerator
from fleet.inventory import Inventory
from fleet.inventory.loading import load_text
from fleet.model import Version
from fleet.simulator.cards import Card, cards
from fleet.simulator.fleets import demo_fleet
from fleet.simulator.physics import Machine, Phase, Run
from fleet.simulator.provision import write_units
from fleet.simulator.root import execute
from fleet.simulator.running import RunningMachine
from fleet.simulator.simulation import warm_up
from fleet.simulator.systemd import Manager
from fleet.simulator.tree import Tree
from fleet.units import GiB

NOON = 1_795_262_400.0
"""Unix seconds of a noon in November 2026."""


class Bench:
    """A machine with eight MI300X and a clock of its own, on which engines are started by hand."""

    def __init__(self, seed: int = 0) -> None:
        self.machine = Machine("gpu01", cards(accelerator("MI300X"), 8), now=NOON, seed=seed)
        self._ports = count(8001)

    def begin(self, *words: str, gpus: str | None = None, version: str = "0.9.0") -> Run:
        """Start a program on GPUs by HIP index; every one gets a port of its own."""
        port = next(self._ports)
        environment = {} if gpus is None else {"HIP_VISIBLE_DEVICES": gpus}
        argv = (*words, "--port", str(port))
        return self.machine.start(f"{port}.service", argv, environment, Version(version))

    def start(self, *words: str, gpus: str | None = None, version: str = "0.9.0") -> Run:
        """The same, and wait until it serves or has failed."""
        return self.settled(self.begin(*words, gpus=gpus, version=version))

    def vllm(self, source: str, *flags: str, gpus: str = "0", version: str = "0.9.0") -> Run:
        """Start vLLM and wait until it serves or has failed."""
        return self.start("/opt/vllm/bin/vllm", "serve", source, *flags, gpus=gpus, version=version)

    def settled(self, run: Run) -> Run:
        """Let time pass until a run serves or has failed."""
        while run.phase is Phase.LOADING:
            self.machine.advance(self.machine.next_event)
        return run

    def stopped(self, run: Run) -> None:
        """Stop a run and wait until its memory is back."""
        self.machine.stop(run)
        self.machine.advance(self.machine.now + 20)

    def used(self, gpu: int) -> float:
        """GiB in use on a GPU."""
        return self.machine.memory.used(self.card(gpu)) / GiB

    def held(self, run: Run, gpu: int) -> float:
        """GiB all processes of a run hold on a GPU."""
        return sum(self.machine.memory.held(p.pid, self.card(gpu)) for p in run.processes) / GiB

    def card(self, gpu: int) -> Card:
        """The GPU with that HIP index."""
        return self.machine.cards[gpu]

    def log(self, run: Run) -> str:
        """All a run has printed."""
        return "\n".join(entry.message for entry in self.machine.journal.of(frozenset([run.unit])))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def benches() -> Callable[[int], Bench]:
    return Bench


@pytest.fixture(scope="session")
def demo() -> Inventory:
    return load_text(demo_fleet(), Path("fleet.yaml"))


@dataclass
class Answer:
    """What a command printed and how it ended."""

    status: int = 0
    out: str = ""
    err: str = ""


@dataclass
class Host:
    """A simulated host without SSH: its clock runs a second further whenever it is looked at."""

    running: RunningMachine
    root: Path

    @property
    def machine(self) -> Machine:
        return self.running.machine

    async def run(self, *argv: str, stdin: bytes = b"") -> Answer:
        """Run a command as an operator would; ``sudo`` is a word like any other."""
        answer = Answer()

        def write(stream: int, data: bytes) -> None:
            if stream == 1:
                answer.out += data.decode()
            else:
                answer.err += data.decode()

        answer.status = await execute(self.running, argv, stdin, write)
        return answer

    async def write(self, path: str, text: str) -> None:
        """Put a file in place as root."""
        await self.run("sudo", "mkdir", "-p", path.rpartition("/")[0])
        assert (await self.run("sudo", "tee", path, stdin=text.encode())).status == 0

    async def started(self, unit: str) -> Run:
        """Wait until a unit's newest process serves or has failed."""
        await self.running.until(lambda: self.machine.runs[unit].phase in {Phase.SERVING, Phase.ENDED})
        return self.machine.runs[unit]


@asynccontextmanager
async def playing(inventory: Inventory, root: Path, enabled: Iterable[str] | None) -> AsyncIterator[Host]:
    """The demo's host with these models (None: all that are enabled) already serving."""
    machine = Machine("gpu01", cards(accelerator("MI300X"), 8), now=NOON, seed=0)
    write_units(root, inventory.models)
    manager = Manager(machine, root, {})
    models = tuple(m for m in inventory.models if enabled is None or m.name in set(enabled))
    warm_up(manager, models)
    clock = count(machine.now)
    host = Host(RunningMachine(machine, manager, Tree(machine, root), lambda: next(clock)), root)
    task = asyncio.create_task(host.running.run())
    try:
        yield host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def host(demo: Inventory, tmp_path: Path) -> AsyncIterator[Host]:
    async with playing(demo, tmp_path / "root", ["kb-whisper-large", "llama-3.1-8b"]) as found:
        yield found
