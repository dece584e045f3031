"""What the probe tells between frames, at its own pace: process states, firmware tables, error counts."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleet.readings import MemoryErrors
from fleet.telemetry.gpu_metrics import Metrics, parse
from fleet.telemetry.links import Links

TEXT_LIMIT = 1 << 16
"""Characters kept of one file: a GPU's list of bad pages may be long."""

_STATE = re.compile(r"proc/([0-9]{1,10})/status:State:\s*(\S).*")
_EVICTED = re.compile(r".*/proc/([0-9]{1,10})/stats_[0-9]{1,20}/evicted_ms:([0-9]{1,15})")
_SENSOR = re.compile(r"sys/bus/pci/devices/([0-9a-f:.]{7,40})/([^:]{1,60}):([0-9]{1,18})")
_HEADING = re.compile(rb"\n?==> sys/bus/pci/devices/([0-9a-f:.]{7,40})/gpu_metrics <==\n")


_ERROR_COUNT = re.compile(r"ras/[a-z_0-9]{1,40}_err_count")
_COUNTED = re.compile(r"(?m)^(ue|ce|de): ([0-9]{1,15})$")
_BAD_PAGE = re.compile(r"(?m)^0x[0-9a-f]+ : 0x[0-9a-f]+ : ([RPF])\s*$")


@dataclass(frozen=True, slots=True)
class Slow:
    """The newest of each."""

    letters: Mapping[int, str] = field(default_factory=dict)
    """The kernel's letter for a process's state, by pid."""
    evicted_ms: Mapping[int, int] = field(default_factory=dict)
    """By pid, over all GPUs."""
    sensors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Files by PCI address and name, as `frames.Frame.polled` has them."""
    metrics: Mapping[str, tuple[Metrics, ...]] = field(default_factory=dict)
    """The newest firmware table by PCI address, after the one before it if there was one."""
    rare: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Files by PCI address and name, as `frames.Description` has them; the lines of one file joined."""
    errors: Mapping[str, MemoryErrors] = field(default_factory=dict)
    """By PCI address."""
    links: Links = field(default_factory=Links)


class SlowSections:
    """Gathers these sections; one that comes again replaces what it said before."""

    def __init__(self) -> None:
        self._letters: dict[int, str] = {}
        self._evicted: dict[int, int] = {}
        self._sensors: dict[str, dict[str, str]] = {}
        self._metrics: dict[str, tuple[Metrics, ...]] = {}
        self._rare: dict[str, dict[str, str]] = {}
        self._errors: dict[str, MemoryErrors] | None = {}
        self._links = Links()
        self._words: list[str] = []
        self._table_bytes = 0

    @property
    def told(self) -> Slow:
        """Everything told so far."""
        self._read_tables()
        if self._errors is None:
            self._errors = {address: _errors(files) for address, files in self._rare.items()}
        return Slow(self._letters, self._evicted, self._sensors, self._metrics, self._rare, self._errors, self._links)

    def begin(self, name: str, rest: str) -> Callable[[str], None]:
        """What takes the lines of a section; ``rest`` is what follows its name on its line."""
        match name:
            case "@state":
                self._letters, self._evicted, self._sensors = {}, {}, {}
                return self._state_line
            case "@rare":
                self._rare, self._errors = {}, None
                return self._rare_line
            case "@links":
                self._links = Links()
                return self._links.take
            case _:
                self._words = []
                self._table_bytes = int(rest) if re.fullmatch("[0-9]{1,5}", rest) else 0
                return self._words.append

    def _state_line(self, line: str) -> None:
        if found := _STATE.fullmatch(line):
            self._letters[int(found[1])] = found[2]
        elif found := _EVICTED.fullmatch(line):
            pid = int(found[1])
            self._evicted[pid] = self._evicted.get(pid, 0) + int(found[2])
        elif found := _SENSOR.fullmatch(line):
            self._sensors.setdefault(found[1], {})[found[2]] = found[3]

    def _rare_line(self, line: str) -> None:
        address, _, rest = line.partition("/")
        file, _, text = rest.partition(":")
        files = self._rare.setdefault(address, {})
        files[file] = (f"{files[file]}\n{text}" if file in files else text)[:TEXT_LIMIT]

    def _read_tables(self) -> None:
        """Keep the firmware tables of a whole section, each beside the one before it."""
        words, self._words = self._words, []
        if not words:
            return
        sent = _bytes(words)
        headings = list(_HEADING.finditer(sent))
        ends = [heading.start() for heading in headings[1:]] + [len(sent)]
        newest: dict[str, tuple[Metrics, ...]] = {}
        for heading, end in zip(headings, ends, strict=False):  # garbage has no heading
            metrics = parse(sent[heading.end() : min(end, heading.end() + self._table_bytes)])
            if metrics is not None:
                address = heading[1].decode()
                newest[address] = (*self._metrics.get(address, ())[-1:], metrics)
        self._metrics = newest


def _errors(files: Mapping[str, str]) -> MemoryErrors:
    """Sums over a GPU's blocks, of what the driver gives a count of: ``ue: 0``; and its bad pages by their flags."""
    counts: dict[str, int] = {}
    for file, text in files.items():
        if _ERROR_COUNT.fullmatch(file):
            for kind, number in _COUNTED.findall(text):
                counts[kind] = counts.get(kind, 0) + int(number)
    pages = files.get("ras/gpu_vram_bad_pages")
    flags = None if pages is None else _BAD_PAGE.findall(pages)
    return MemoryErrors(
        counts.get("ce"),
        counts.get("ue"),
        counts.get("de"),
        *((None, None, None) if flags is None else (flags.count("R"), flags.count("P"), flags.count("F"))),
    )


def _bytes(lines: list[str]) -> bytes:
    """What od printed as words of four bytes, in the order of a little-endian machine; empty where it is no such."""
    try:
        swapped = bytes.fromhex("".join(lines))
    except ValueError:
        return b""
    count = len(swapped) // 4
    return struct.pack(f"<{count}I", *struct.unpack_from(f">{count}I", swapped))
