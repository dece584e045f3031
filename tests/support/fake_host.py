"""One GPU host in memory, with units, overlays and GPU memory: what plans and rollouts are tried on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleet.commands import Answer, Read, Write
from fleet.errors import UnreachableError
from fleet.readings import (
    EngineReading,
    GpuIdentity,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.services import Definition
from fleet.services.detached import NOT_OURS, Follow, Launch, Progress, State
from fleet.services.holder import folder, parse_holder
from fleet.services.systemd import Systemd
from fleet.units import GiB

GPUS = 4
TOTAL = 192 * GiB
LOAD_TICKS = 3
FOLDER = "/etc/systemd/system/"
LOCK = folder("sudo")
_GONE = UnreachableError("gpu01 was lost.")


class Killed(BaseException):
    """The console's process ends here."""


class PowerLoss(Exception):
    """What runs on the host ends here."""


@dataclass
class Unit:
    """A model's service: its own file, our overlay, and what runs."""

    model: str
    size: int
    own: str
    boots: bool = False
    """Whether it is started when its host is."""
    overlay: str | None = None
    word: ServiceWord = ServiceWord.STOPPED
    result: str = "success"
    restarts: int = 0
    starts: int = 0
    age: int = 0
    lives: int = 0
    """Seconds it serves before it dies, where it does."""
    gpus: tuple[int, ...] = ()
    running: int = 0
    log: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.model}.service"

    @property
    def service(self) -> str:
        return f"systemd:{self.name}"

    @property
    def holds(self) -> int:
        """Bytes on each of its GPUs; half of them while it loads."""
        return (self.size if self.age >= LOAD_TICKS else self.size // 2) if self.gpus else 0


class LockFolders:
    """Folders of one file each, as far as locks need them."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def do(self, command: Write) -> Answer:
        match command.words[3:]:
            case ("mkdir", path) if path not in self.held:
                self.held[path] = ""
            case ("tee", path) if path.removesuffix("/holder") in self.held:
                self.held[path.removesuffix("/holder")] = command.stdin.decode()
            case ("mv", "-T", source, target) if source in self.held and target not in self.held:
                self.held[target] = self.held.pop(source)
            case ("rm", "-rf", path):
                self.held.pop(path, None)
            case _:
                return Answer(1, "", f"{command.words[3]}: Directory not empty")
        return Answer(0, "", "")

    def cat(self, words: tuple[str, ...], uptime: float) -> Answer:
        """Of a lock's file and, where that is asked for as well, the uptime."""
        text = self.held.get(words[1].removesuffix("/holder"))
        told = f"{uptime} 1.0\n" if len(words) > 2 else ""
        return Answer(1, told, "No such file or directory") if text is None else Answer(0, text + told, "")


class FakeHost:
    """One host in memory, its connection and the board over it. Time passes only where somebody waits."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.now = 0
        self.commands: list[str] = []
        self.before_write: Callable[[str], None] = lambda _: None
        self.after_write: Callable[[str], None] = lambda _: None
        """May raise PowerLoss."""
        self.refuses: dict[str, str] = {}
        """What a unit's engine says instead of starting."""
        self.hangs: set[str] = set()
        self.loops: set[str] = set()
        self.dies: set[str] = set()
        """Units that fail as soon as they have served."""
        self.ends: set[str] = set()
        """Units whose process ends by itself, successfully."""
        self.strays: dict[str, tuple[int, ...]] = {}
        """GPUs a unit opens whatever it is told."""
        self.faulty_starts = 100
        """How many starts of a unit go wrong as said above; later ones are well."""
        self.forbids: str = ""
        """A word no command may hold, as if sudo forbade it."""
        self.no_root = ""
        """Why nobody may become root; empty where they may."""
        self.no_space = False
        """Whether nothing can be written to its disk; what is in memory, as the lock is, still can."""
        self.no_steps = False
        """Whether not even an empty file can be made there, so that no step is begun."""
        self.fault: tuple[int, bool, BaseException] | None = None
        """At the command of that number, before or after it is done, this happens to the console, once.

        The host goes on with what it has begun: only where the command is a step's first, `before` is before the step.
        """
        self.cut_off: int | None = None
        """After the command of that number, the host ends what runs on it, once."""
        self.scripts: dict[str, Progress] = {}
        self.cordons = ""
        """What the host keeps of cordoned GPUs."""
        self.failing_reads = 0
        """How many of the operator's own reading commands fail from now on."""
        self.lost = False
        self.back_at = math.inf
        """When the line is there again."""
        self.lost_at_question = -2
        """After so many more questions the line is down for some seconds."""
        self.frozen = False
        """Whether nothing goes on there: its line is as good as lost."""
        self.slow = False
        """Whether steps are under way for ever."""
        self.booted = 0
        self.suspended = 0.0
        """Seconds that its uptime has gained while it stood still."""
        self.lock = LockFolders()
        self.audit: list[str] = []
        self._files: dict[str, str] = {}
        self._snapshot = self._publish()

    # what tests look at

    @property
    def state(self) -> dict[str, tuple[bool, str | None, tuple[int, ...]]]:
        """Of each model: whether it runs, its overlay, its GPUs."""
        return {unit.model: (unit.word is ServiceWord.ACTIVE, unit.overlay, unit.gpus) for unit in self.units.values()}

    @property
    def uptime(self) -> float:
        return self.now - self.booted + self.suspended

    # what happens to it

    def cut_line(self, seconds: float = math.inf) -> None:
        self.lost, self.back_at = True, self.now + seconds

    def freeze(self, seconds: float = math.inf) -> None:
        self.frozen = self.slow = True
        self.cut_line(seconds)

    def come_back(self) -> None:
        self.lost = self.frozen = self.slow = False
        self.back_at = math.inf

    def reboot(self) -> None:
        """Everything that runs ends; it is there again in some seconds, with what it starts by itself."""
        self.booted = self.now
        self.lock.held.clear()
        self.cut_line(20)
        for unit in self.units.values():
            unit.word = ServiceWord.STOPPED
            self._stop(unit)
        for unit in self.units.values():
            if unit.boots:
                self.start(unit)

    def used(self, gpu: int) -> int:
        return sum(unit.holds for unit in self.units.values() if gpu in unit.gpus)

    # the connection

    async def read(self, command: Read, timeout: float = 0) -> Answer:
        self._reach()
        if isinstance(command, Follow):
            how = self.scripts.get(command.id, Progress(State.NEVER))
            if self.slow:
                how = Progress(State.RUNNING)
            ended = f" {how.command}.{how.status}\n{how.said}" if how.state is State.ENDED else "\n"
            return Answer(0, f"{how.state}{ended}", "")
        if command.words[-1].endswith("/cordons"):
            return Answer(0, self.cordons, "")
        if command.words[0] == "cat":
            return self.lock.cat(command.words, self.uptime)
        if not any(word.endswith(".service") for word in command.words):
            self.failing_reads -= 1
            return Answer(0, "", "") if self.failing_reads < 0 else Answer(1, "", "not yet")
        unit = self.units[next(word for word in command.words if word.endswith(".service"))]
        if "journalctl" in command.words:
            return Answer(0, "\n".join(unit.log), "")
        return Answer(0, self._cat(unit), "")

    async def write(self, command: Write, timeout: float = 0) -> Answer:
        self._reach()
        if "gpudeck-rollout" in command.line:
            return Answer(1, "", self.no_root) if self.no_root else self.lock.do(command)
        if command.words[0] == "logger":
            self.audit.append(command.words[-1])
            return Answer(0, "", "")
        if isinstance(command, Launch):
            if self.no_steps:
                return Answer(1, "", "mkdir: cannot create directory '.gpudeck-steps': No space left on device")
            self._launch(command)
        elif command.words[:1] == ("sh",):
            for id in command.words[4:]:
                self.scripts.pop(id, None)
        return Answer(0, "", "")

    def _launch(self, script: Launch) -> None:
        """Run it as a whole, whatever becomes of the console meanwhile."""
        if script.id in self.scripts:
            return
        number, after, fault = self.fault or (-1, False, _GONE)
        hit = number - len(self.commands) in range(len(script.commands))
        if hit:
            self.fault = None
        if hit and number == len(self.commands) and not after:
            raise fault
        self.scripts[script.id] = self._progress(script)
        self._reach()
        if hit:
            raise fault

    def _progress(self, script: Launch) -> Progress:
        token = parse_holder(self.lock.held.get(LOCK, ""))
        if token is None or token.token not in script.id:
            return Progress(State.ENDED, 0, NOT_OURS)
        for n, command in enumerate(script.commands, 1):
            self.before_write(command.line)
            self.commands.append(command.line)
            answer = self._do(command)
            if not answer.ok:
                return Progress(State.ENDED, n, answer.exit_status, answer.stderr)
            if self.cut_off == len(self.commands) - 1:
                self.cut_off = None
                return Progress(State.CUT_OFF)
            try:
                self.after_write(command.line)
            except PowerLoss:
                return Progress(State.CUT_OFF)
        return Progress(State.ENDED, len(script.commands))

    def _reach(self) -> None:
        self.lost_at_question -= 1
        if self.lost_at_question == -1:
            self.lost, self.back_at = True, self.now + 9
        if self.lost:
            raise _GONE

    def _do(self, command: Write) -> Answer:
        if self.forbids and self.forbids in command.line:
            return Answer(1, "", "sudo: a password is required")
        if self.no_root and command.words[0] == "sudo":
            return Answer(1, "", self.no_root)
        match command.words[3:]:
            case ("tee", path) if self.no_space:
                return Answer(1, "", f"tee: {path}: No space left on device")
            case ("tee", path):
                self._files[path] = command.stdin.decode()
            case ("mv", "-T", source, target):
                self.units[target.removeprefix(FOLDER).split(".d/")[0]].overlay = self._files.pop(source)
            case ("rm", "-f", path, _):
                self.units[path.removeprefix(FOLDER).split(".d/")[0]].overlay = None
            case ("systemctl", "stop", name):
                self._stop(self.units[name])
            case ("systemctl", "start", name):
                self.start(self.units[name])
        return Answer(0, "", "")

    def _stop(self, unit: Unit) -> None:
        if unit.word is not ServiceWord.FAILED:
            unit.word = ServiceWord.STOPPED
        unit.gpus, unit.running, unit.restarts = (), 0, 0

    def start(self, unit: Unit) -> None:
        if unit.word is ServiceWord.ACTIVE:
            return
        unit.word, unit.age, unit.result, unit.starts = ServiceWord.ACTIVE, 0, "success", unit.starts + 1
        unit.gpus = self._pinned(unit)
        if self._is_faulty(unit):
            unit.gpus = self.strays.get(unit.name, unit.gpus)
        unit.log.append(f"Started {unit.name} - {unit.model}.")
        if any(TOTAL - self.used(gpu) + unit.holds < unit.size for gpu in unit.gpus):
            self._fail(unit, "torch.OutOfMemoryError: HIP out of memory.")

    def _fail(self, unit: Unit, said: str) -> None:
        unit.log += [said, f"{unit.name}: Failed with result 'exit-code'."]
        unit.word, unit.gpus, unit.result = ServiceWord.FAILED, (), "exit-code"

    def _cat(self, unit: Unit) -> str:
        text = f"# {FOLDER}{unit.name}\n{unit.own}"
        return text if unit.overlay is None else f"{text}\n# {FOLDER}{unit.name}.d/50-gpudeck.conf\n{unit.overlay}"

    def definition(self, unit: Unit) -> Definition:
        return Systemd(unit.name).parse_definition(Answer(0, self._cat(unit), ""))

    def _pinned(self, unit: Unit) -> tuple[int, ...]:
        definition = self.definition(unit)
        if "ROCR_VISIBLE_DEVICES" in definition.overlaid_environment:
            names = definition.overlaid_environment["ROCR_VISIBLE_DEVICES"].split(",")
            return tuple(int(name.removeprefix("GPU-"), 16) for name in names)
        return tuple(int(index) for index in definition.environment["HIP_VISIBLE_DEVICES"].split(","))

    # the board

    def latest(self, host: str) -> HostSnapshot:
        return self._snapshot

    @property
    def snapshots(self) -> Mapping[str, HostSnapshot]:
        return {"gpu01": self._snapshot}

    async def until(self, host: str, predicate: Callable[[HostSnapshot], bool], timeout: float) -> HostSnapshot:
        deadline = self.now + timeout
        while not predicate(self._snapshot):
            if self.now >= deadline:
                raise TimeoutError
            self.tick()
            await asyncio.sleep(0)
        return self._snapshot

    def tick(self) -> None:
        """Let a second pass and read the host."""
        self.now += 1
        if self.now >= self.back_at:
            self.come_back()
        for unit in self.units.values():
            if unit.word is ServiceWord.ACTIVE and not self.frozen:
                self._load(unit)
        self._snapshot = self._publish()

    def _load(self, unit: Unit) -> None:
        faulty = self._is_faulty(unit)
        if unit.age >= LOAD_TICKS:
            unit.age += 1
            if faulty and unit.name in self.dies and unit.age > LOAD_TICKS + unit.lives:
                self._fail(unit, "RuntimeError: HIP error: an illegal memory access was encountered")
            return
        if faulty and unit.name in self.hangs:
            return
        unit.age += 1
        if unit.age < LOAD_TICKS or not faulty:
            return
        if unit.name in self.refuses:
            self._fail(unit, self.refuses[unit.name])
        elif unit.name in self.ends:
            unit.word, unit.gpus = ServiceWord.STOPPED, ()
        elif unit.name in self.loops:
            unit.restarts, unit.age = unit.restarts + 1, 0

    def _is_faulty(self, unit: Unit) -> bool:
        return unit.starts <= self.faulty_starts

    def _publish(self) -> HostSnapshot:
        if self.lost:
            return HostSnapshot("gpu01", Link.LOST, "the line is cut", self.now, self._snapshot.reading)
        identities = [
            GpuIdentity(f"0000:{index:02x}:00.0", 0, str(index), f"{index:016x}", index, "MI300X", TOTAL)
            for index in range(GPUS)
        ]
        return HostSnapshot(
            "gpu01",
            Link.LIVE,
            read_at=self.now,
            reading=HostReading(
                f"boot {self.booted}",
                self.now,
                self.uptime,
                tuple(GpuReading(identity, self.used(identity.hip_index)) for identity in identities),
                tuple(
                    ProcessReading(
                        index, 0, "S", unit.model, unit.model, unit.service,
                        tuple((identities[gpu].pci, unit.holds) for gpu in unit.gpus),
                    )
                    for index, unit in enumerate(self.units.values(), 100)
                    if unit.gpus
                ),
            ),
            services={
                unit.model: ServiceReading(unit.word, 1 if unit.gpus else 0, unit.restarts, unit.result)
                for unit in self.units.values()
            },
            engines={
                unit.model: EngineReading(unit.age >= LOAD_TICKS, running=unit.running)
                for unit in self.units.values()
                if unit.gpus
            },
        )  # fmt: skip
