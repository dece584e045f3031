"""The probe's stream as frames: what was said, not yet what it means. ``probe.sh`` describes the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files

from fleet.readings import GpuIdentity
from fleet.telemetry.identity import identify
from fleet.telemetry.numbers import decimal
from fleet.telemetry.processes import ProcessFacts, facts
from fleet.telemetry.slow import Slow, SlowSections
from fleet.units import MiB

FRAME_LIMIT = 4 << 20
"""What one frame may cost us, in bytes: its characters, and LINE_COST for each line."""
LINE_COST = 200
"""About what holding one more short text costs."""
NVIDIA_SECONDS = 10.0
"""How long nvidia-smi's lines are believed when no newer ones come: it tells once a second while it lives."""
FIELDS_LIMIT = 64
"""Fields kept of nvidia-smi's lines."""
TEXT_LIMIT = 4096
"""Characters kept of one text."""

Texts = Mapping[str, str]
"""Contents by file name. Raw: hostile until cleaned."""

_HELD = re.compile(r"([0-9]{1,20})=([0-9]{1,18})")
_WHO = frozenset({"stat", "cgroup", "comm", "cmdline"})


def script() -> str:
    """The probe, to be run by a POSIX sh on the host."""
    return files("fleet.telemetry").joinpath("probe.sh").read_text("utf-8")


@dataclass(frozen=True)
class Description:
    """What does not change while the host's GPU topology stays as it is; complete before the first frame."""

    host: dict[str, str] = field(default_factory=dict)
    """By path: ``proc/sys/kernel/random/boot_id``."""
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    """KFD's topology nodes by number: ``gpu_id``, ``location_id`` …"""
    devices: dict[str, dict[str, str]] = field(default_factory=dict)
    """Files of PCI devices by address: ``mem_info_vram_total``, ``hwmon/hwmon3/temp2_label`` …"""
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By PCI address, the files whose contents each frame gives."""
    nvidia: list[str] = field(default_factory=list)
    """Fields of nvidia-smi's lines; none on other hosts."""

    @cached_property
    def identities(self) -> tuple[GpuIdentity, ...]:
        """AMD's GPUs by HIP index; to be asked for once it is complete."""
        return identify(self)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as the host told it."""

    sequence: int
    uptime_seconds: float
    description: Description
    polled: Mapping[str, Texts]
    """Files of PCI devices by address; what the driver refused to say is left out."""
    held: Mapping[int, Mapping[str, int]]
    """Bytes by KFD's ``gpu_id`` or NVIDIA's UUID, by process: also processes that only have the driver open."""
    who: Mapping[int, ProcessFacts]
    """Of the processes of `held`, those that were ever named."""
    gone: frozenset[int] = frozenset()
    """Processes that have the driver open and are not in ``/proc``."""
    asleep: frozenset[str] = frozenset()
    """Addresses of GPUs that sleep and were not woken to be asked."""
    slow: Slow = field(default_factory=Slow)
    """What was told after earlier frames."""
    nvidia: tuple[str, ...] = ()
    """nvidia-smi's newest lines, one for each GPU."""


@dataclass(slots=True)
class _Begun:
    """A frame whose end has not come yet."""

    sequence: int
    uptime_seconds: float
    polled: dict[str, dict[str, str]] = field(default_factory=dict)
    held: dict[int, dict[str, int]] = field(default_factory=dict)
    who: dict[int, dict[str, str]] = field(default_factory=dict)
    asleep: set[str] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    nvidia: list[str] = field(default_factory=list)


class FrameReader:
    """Reads a probe's stream line by line. Never raises, whatever the lines say, and holds little.

    What comes before the first ``@host`` is noise of a login; a frame that is cut off, garbled or too large
    is dropped.
    """

    def __init__(self) -> None:
        self._description = Description()
        self._describing = False
        self._begun: _Begun | None = None
        self._who: dict[int, ProcessFacts] = {}
        self._slow = SlowSections()
        self._nvidia: tuple[str, ...] = ()
        self._nvidia_at = 0.0
        self._take: Callable[[str], None] = _ignore
        self._cost = 0

    @property
    def flooded(self) -> bool:
        """Whether more came since the last frame than one may hold; until an ``@end`` it is all ignored."""
        return self._cost > FRAME_LIMIT

    def feed(self, line: str) -> Frame | None:
        """Take one line, without its end; returns the frame that it completes, if it does."""
        self._cost += len(line) + LINE_COST
        if line.startswith("@end"):
            return self._end(line)
        if self.flooded:
            self._begun = None
        elif line.startswith("@"):
            self._section(line)
        else:
            self._take(line)
        return None

    def _section(self, line: str) -> None:
        name, *words = line.split(" ", 1)
        rest = words[0] if words else ""
        self._take = _ignore
        match name:
            case "@host":
                self._description, self._begun, self._who, self._slow = Description(), None, {}, SlowSections()
                self._nvidia = ()
                self._describing = True
                self._take = self._host_line
            case "@kfd" if self._describing:
                self._take = self._node_line
            case "@devices" if self._describing:
                self._take = self._device_line
            case "@poll" if self._describing:
                address, *columns = rest.split(" ")
                self._description.columns[address] = tuple(columns)
            case "@nvidia" if self._describing:
                self._description.nvidia.extend(rest.split(",")[:FIELDS_LIMIT])
            case "@frame":
                self._begin(rest)
            case "@who":
                self._take = self._who_line
            case "@state" | "@metrics" | "@rare" | "@links":
                self._take = self._slow.begin(name, rest)

    def _begin(self, rest: str) -> None:
        sequence, _, uptime = rest.partition(" ")
        number, seconds = _integer(sequence), decimal(uptime)
        self._begun, self._describing = None, False
        if number is not None and seconds is not None:
            self._begun = _Begun(number, seconds)
            self._take = self._row

    def _end(self, line: str) -> Frame | None:
        begun, self._begun, self._take, self._cost = self._begun, None, _ignore, 0
        self._describing = False
        if begun is None or line != f"@end {begun.sequence}":
            return None
        named = {pid: facts(texts) for pid, texts in begun.who.items()}
        self._who = {pid: who for pid in begun.held if (who := named.get(pid) or self._who.get(pid))}
        if begun.nvidia:
            self._nvidia, self._nvidia_at = tuple(begun.nvidia), begun.uptime_seconds
        elif begun.uptime_seconds - self._nvidia_at > NVIDIA_SECONDS:
            self._nvidia = ()
        return Frame(
            begun.sequence,
            begun.uptime_seconds,
            self._description,
            begun.polled,
            begun.held,
            self._who,
            frozenset(begun.gone),
            frozenset(begun.asleep),
            self._slow.told,
            self._nvidia,
        )

    def _host_line(self, line: str) -> None:
        path, _, text = line.partition(":")
        self._description.host[path] = text[:TEXT_LIMIT]

    def _node_line(self, line: str) -> None:
        path, _, text = line.partition(":")
        node, _, file = path.partition("/")
        key, value = ("gpu_id", text) if file == "gpu_id" else text.partition(" ")[::2]
        self._description.nodes.setdefault(node, {})[key] = value[:TEXT_LIMIT]

    def _device_line(self, line: str) -> None:
        address, _, rest = line.partition("/")
        file, _, text = rest.partition(":")
        self._description.devices.setdefault(address, {})[file] = text[:TEXT_LIMIT]

    def _row(self, line: str) -> None:
        if self._begun is None:
            return
        match line.split(" "):
            case ["gpu", address, *values]:
                columns = self._description.columns.get(address, ())
                if len(columns) == len(values):
                    row = zip(columns, values, strict=True)
                    self._begun.polled[address] = {file: value for file, value in row if value not in ("-", "z")}
                    if "z" in values:
                        self._begun.asleep.add(address)
            case ["pid", process, *held] if (pid := _integer(process)) is not None:
                self._begun.held[pid] = _held(held)
                if "gone" in held:
                    self._begun.gone.add(pid)
            case ["nv", *words]:
                self._begun.nvidia.append(" ".join(words)[:TEXT_LIMIT])
            case ["app", uuid, process, mebibytes] if (pid := _integer(process.rstrip(","))) is not None:
                of_process = self._begun.held.setdefault(pid, {})
                of_process[uuid.rstrip(",")] = (_integer(mebibytes) or 0) * MiB

    def _who_line(self, line: str) -> None:
        path, _, text = line.partition(":")
        process, _, file = path.partition("/")
        pid = _integer(process)
        if self._begun is None or pid not in self._begun.held or file not in _WHO:
            return
        texts = self._begun.who.setdefault(pid, {})
        texts[file] = f"{texts[file]}\n{text}"[:TEXT_LIMIT] if file in texts else text[:TEXT_LIMIT]


def _held(words: list[str]) -> dict[str, int]:
    result: dict[str, int] = {}
    for word in words:
        if match := _HELD.fullmatch(word):
            result[match[1]] = result.get(match[1], 0) + int(match[2])
    return result


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _ignore(_line: str) -> None:
    pass
