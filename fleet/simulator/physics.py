"""A host's GPUs and the engines on them, over an injected clock: no sockets, no asyncio, no real time.

Every start, stop and return of memory is a script that yields the seconds until its next step;
`Machine.advance` plays all of them up to a moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from fleet.model import Version
from fleet.simulator import llama, plain, vllm
from fleet.simulator.cards import Card, visible
from fleet.simulator.engine import Exit, Launch, Process, Serving, Steps
from fleet.simulator.heat import Heat
from fleet.simulator.journal import Journal
from fleet.simulator.memory import Memory
from fleet.simulator.traffic import STEP, Load

_FIRST_PID = 2600
_STOP_SECONDS = 4.0
_RECLAIM_STEPS = 4
_RECLAIM_SECONDS, _RECLAIM_SECONDS_KILLED = 0.25, 2.0
"""A dead process's memory comes back in so many steps, so far apart."""
_LOADING_BUSY = 0.04
KILLED = 137
"""Exit status of a process that SIGKILL ended."""
_PROGRAMS: Mapping[str, Callable[[Launch], Steps]] = {
    "vllm": vllm.start,
    "llama-server": llama.start,
    "text-embeddings-router": plain.start,
    "whisper-server": plain.start,
    "docling-serve": plain.start,
}


class Phase(StrEnum):
    """Where a service's process is in its life."""

    LOADING = "loading"
    SERVING = "serving"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(slots=True)
class Run:
    """One life of a service's main process and its children."""

    unit: str
    launch: Launch
    processes: list[Process]
    phase: Phase = Phase.LOADING
    load: Load | None = None
    status: int = 0
    """Exit status; meaningful once it has ended."""
    invocation: str = ""
    """The service manager's id of it: 32 hex digits."""

    @property
    def pid(self) -> int:
        """The main process."""
        return self.launch.pid

    @property
    def port(self) -> int | None:
        """The port its command line names."""
        port = self.launch.arguments.get("port")
        return port if isinstance(port, int) else None

    @property
    def answers(self) -> bool:
        """Whether something listens on its port."""
        return self.phase is Phase.SERVING or (self.phase is Phase.LOADING and self.launch.ready)


@dataclass(slots=True)
class _Script:
    """Something that goes on by itself."""

    steps: Generator[float, None, Serving | None]
    wakes: float
    run: Run | None = None
    done: Callable[[Serving | None], None] = field(default=lambda serving: None)


class Machine:
    """The simulated machine: its memory, processes, journal and sensors, at a moment."""

    def __init__(
        self,
        name: str,
        cards: Sequence[Card],
        *,
        now: float,
        booted: float | None = None,
        seed: int = 0,
        speed: float = 1.0,
    ) -> None:
        """A machine on which nothing runs yet.

        Args:
            name: The host's name.
            cards: Its GPUs, by HIP index.
            now: Unix seconds.
            booted: When it was switched on; None = now.
            seed: Of all its noise.
            speed: Engines start and stop so many times faster than in life.
        """
        self.name = name
        self.cards = tuple(cards)
        self.now = now
        self.booted = now if booted is None else booted
        self.speed = speed
        self.memory = Memory(cards)
        self.journal = Journal(name, self.booted)
        self.runs: dict[str, Run] = {}
        """The newest life of each unit, ended ones among them."""
        self.demand: Callable[[str, float], float] = lambda unit, now: 1.0
        """How many times the usual number ask a unit's model at a time."""
        self.heat = {card: Heat(card, random.Random(f"{seed}/{card.gpu_id}")) for card in self.cards}
        self.ended: Callable[[Run], None] = lambda run: None
        """Called when a main process has ended."""
        self._seed = seed
        self._launches = 0
        self._next_pid = _FIRST_PID
        self._scripts: list[_Script] = []
        self._next_look = now + STEP

    @property
    def next_event(self) -> float:
        """When the next thing happens."""
        return min([self._next_look, *(script.wakes for script in self._scripts)])

    @property
    def processes(self) -> Mapping[int, tuple[Run, Process]]:
        """Every living process of a service, by pid."""
        return {
            process.pid: (run, process)
            for run in self.runs.values()
            if run.phase is not Phase.ENDED
            for process in run.processes
        }

    def advance(self, to: float) -> None:
        """Play everything that happens until then."""
        while self.next_event <= to:
            self.now = self.next_event
            if self._next_look <= self.now:
                self._look()
                continue
            script = min(self._scripts, key=lambda script: script.wakes)
            self._play(script)
        self.now = max(self.now, to)

    def skip(self, to: float) -> None:
        """Let time pass in which nothing is going on but traffic, without playing it."""
        if self._scripts:
            raise AssertionError("something is under way that would be skipped")
        self.now, self._next_look = to, to + STEP

    def start(self, unit: str, argv: tuple[str, ...], environment: Mapping[str, str], version: Version) -> Run:
        """Start a unit's program; what comes of it shows later."""
        self._launches += 1
        name = PurePosixPath(argv[0]).name
        pid = self._pid()
        invocation = f"{random.Random(f'{self._seed}/{unit}/{self._launches}').getrandbits(128):032x}"
        launch = self._launch(unit, name, pid, argv, environment, version, invocation)
        run = Run(unit, launch, [], invocation=invocation)
        run.processes.append(Process(pid, 1, name, argv, self.now))
        self.runs[unit] = run
        steps = self._taken(run) or _PROGRAMS.get(name, _missing)(run.launch)
        self._scripts.append(_Script(steps, self.now, run, lambda serving: self._up(run, serving)))
        return run

    def stop(self, run: Run) -> None:
        """Ask a running program to end."""
        if run.phase in {Phase.STOPPING, Phase.ENDED}:
            return
        seconds = _STOP_SECONDS if run.phase is Phase.SERVING else 1.0
        run.phase, run.load = Phase.STOPPING, None
        self._scripts = [script for script in self._scripts if script.run is not run]
        self._add(self._stopping(run, seconds), run)

    def kill(self, run: Run) -> None:
        """End a program at once, as SIGKILL does."""
        self._scripts = [script for script in self._scripts if script.run is not run]
        self._end(run, KILLED)

    def _launch(
        self,
        unit: str,
        name: str,
        pid: int,
        argv: tuple[str, ...],
        environment: Mapping[str, str],
        version: Version,
        invocation: str,
    ) -> Launch:
        def spawn(title: str, command_line: tuple[str, ...]) -> int:
            child = self._pid()
            self.runs[unit].processes.append(Process(child, pid, title, command_line, self.now))
            return child

        return Launch(
            argv=argv,
            environment=environment,
            version=version,
            on_host=self.cards,
            cards=visible(environment, self.cards),
            pid=pid,
            memory=self.memory,
            random=random.Random(f"{self._seed}/{unit}/{self._launches}"),
            print=lambda line: self.journal.write(self.now, unit, name, pid, line, invocation=invocation),
            spawn=spawn,
            now=lambda: self.now,
        )

    def _pid(self) -> int:
        self._next_pid += 1 + self._next_pid % 7
        return self._next_pid

    def _taken(self, run: Run) -> Steps | None:
        """A start that ends because another service has its port."""
        taken = any(
            other.port == run.port and other is not run and other.phase is not Phase.ENDED
            for other in self.runs.values()
        )
        if run.port is None or not taken:
            return None
        return _port_in_use(run.launch, run.port)

    def _add(self, steps: Generator[float, None, None], run: Run | None = None) -> None:
        self._scripts.append(_Script(steps, self.now, run))

    def _play(self, script: _Script) -> None:
        try:
            seconds = next(script.steps)
        except StopIteration as end:
            self._scripts.remove(script)
            script.done(end.value)
        except Exit as exit_:
            self._scripts.remove(script)
            if script.run is not None:
                self._end(script.run, exit_.status)
        else:
            if script.run is not None:
                script.run.launch.elapsed += seconds
            script.wakes = self.now + seconds / self.speed

    def _up(self, run: Run, serving: Serving | None) -> None:
        if serving is None:
            raise AssertionError("a start that ends without an exit serves")
        run.phase = Phase.SERVING
        run.load = Load(serving, self.memory, random.Random(f"{self._seed}/{run.unit}"), self.now)

    def _stopping(self, run: Run, seconds: float) -> Generator[float, None, None]:
        run.launch.print("INFO:     Shutting down")
        yield seconds / 2
        run.launch.print("INFO:     Application shutdown complete.")
        yield seconds / 2
        self._end(run, 0)

    def _end(self, run: Run, status: int) -> None:
        run.phase, run.status, run.load = Phase.ENDED, status, None
        for process in run.processes:
            held = self.memory.close(process.pid)
            if held:
                self._add(self._reclaim(held, killed=status == KILLED))
        self.ended(run)

    def _reclaim(self, held: Mapping[Card, int], *, killed: bool) -> Generator[float, None, None]:
        for step in range(_RECLAIM_STEPS):
            yield _RECLAIM_SECONDS_KILLED if killed else _RECLAIM_SECONDS
            for card, size in held.items():
                part = size * (step + 1) // _RECLAIM_STEPS - size * step // _RECLAIM_STEPS
                self.memory.reclaim(card, part)

    def _look(self) -> None:
        """Once a second: the traffic, and with it the sensors."""
        self._next_look += STEP
        busy = dict.fromkeys(self.cards, 0.0)
        for run in self.runs.values():
            if run.load is not None:
                run.load.step(self.now, self.demand(run.unit, self.now))
                for card in run.load.serving.cards:
                    busy[card] += run.load.busy
            elif run.phase is Phase.LOADING:
                for card in self.cards:
                    if any(self.memory.held(process.pid, card) for process in run.processes):
                        busy[card] += _LOADING_BUSY
        for card in self.cards:
            self.heat[card].step(busy[card])


def _missing(launch: Launch) -> Steps:
    """What systemd does where there is no such program."""
    yield 0.0
    launch.print(f"Failed to locate executable {launch.argv[0]}: No such file or directory")
    raise Exit(203)


def _port_in_use(launch: Launch, port: int) -> Steps:
    yield 3.0
    launch.print(f"OSError: [Errno 98] Address already in use: ('0.0.0.0', {port})")
    raise Exit(1)
