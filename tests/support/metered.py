"""A program on a terminal of its own whose every byte is stamped as it comes, at the pace of a line if one is given."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte

_ANSWERS = (
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[>0?c"), b"\x1b[>41;354;0c"),
    (re.compile(rb"\x1b\[5n"), b"\x1b[0n"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
    (re.compile(rb"\x1b\[\?u"), b"\x1b[?0u"),
    (re.compile(rb"\x1b\]1([01]);\?(?:\x07|\x1b\\)"), b"\x1b]1<1>;rgb:0000/0000/0000\x1b\\"),
    (re.compile(rb"\x1b\[\?(\d+)\$p"), b"\x1b[?<1>;0$y"),
)
"""What programs ask a terminal, and what one says that can little: a silent one costs them time-outs."""
_FOREIGN = re.compile(
    rb"\x1b\[[<>=][0-9;:]*[@-~]|\x1b\[\?[0-9;:]*[a-gi-km-zA-Z]|\x1b\[\??[0-9;]*\$[a-z]|\x1bP[^\x1b]*\x1b\\"
)
"""Private sequences that the emulator would draw."""
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;:<>=?$ ]*|[P\]][^\x1b\x07]*\x1b?)?$")
_PAUSE_SECONDS = 0.05
_SLICE_SECONDS = 0.02
_READ_BYTES = 1 << 20
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Key:
    """Something to type, at a time in seconds from the start."""

    at: float
    text: str


@dataclass(slots=True)
class Run:
    """What a program wrote and took."""

    began: float
    """`time.monotonic` at its start; every other time counts from it."""
    columns: int
    rows: int
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    typed: list[Key] = field(default_factory=list)
    """The keys, with the times at which they were really typed."""
    usage: list[tuple[float, float, int]] = field(default_factory=list)
    """Every second: seconds of processor time of the program alone, and its resident bytes."""

    def bytes_between(self, start: float, end: float) -> int:
        """Bytes written in that time."""
        return sum(len(data) for at, data in self.chunks if start < at <= end)

    def painted(self, key: Key, until: float) -> tuple[int, float]:
        """Bytes that followed a key before a pause of 50 ms, and seconds until the last of them."""
        size, last = 0, key.at
        for at, data in self.chunks:
            if key.at < at < until and (not size or at - last < _PAUSE_SECONDS):
                size, last = size + len(data), at
        return size, last - key.at

    def screens(self) -> Iterator[tuple[float, list[str]]]:
        """What stands on the screen after every chunk."""
        screen = pyte.Screen(self.columns, self.rows)
        stream = pyte.ByteStream(screen)
        rest = b""
        for at, data in self.chunks:
            data = rest + data
            cut = _UNFINISHED.search(data)
            rest = data[cut.start() :] if cut else b""
            stream.feed(_FOREIGN.sub(b"", data[: len(data) - len(rest)]))
            yield at, screen.display

    def first(self, shows: Callable[[str], bool]) -> float | None:
        """When the screen first showed that; None where it never did."""
        return next((at for at, lines in self.screens() if shows("\n".join(lines))), None)

    def core_share(self, start: float, end: float) -> float:
        """Share of one core it took in that time."""
        taken = [(at, cpu) for at, cpu, _ in self.usage if start <= at <= end]
        return (taken[-1][1] - taken[0][1]) / (taken[-1][0] - taken[0][0])


def run(
    argv: Sequence[str],
    *,
    seconds: float,
    size: tuple[int, int] = (160, 48),
    keys: Sequence[Key] = (),
    environment: Mapping[str, str],
    line: float | None = None,
) -> Run:
    """Run a program for that long on a terminal of that size, then end it.

    Args:
        argv: The program and its words.
        seconds: How long it runs.
        size: Columns and rows.
        keys: What is typed.
        environment: Its environment.
        line: Bytes a second that the terminal takes; None = as fast as they come.
    """
    began = time.monotonic()
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], list(argv), dict(environment))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    result = Run(began, *size)
    try:
        _follow(pid, master, result, seconds, list(keys), line)
    finally:
        _end(pid, master)
    return result


def _follow(pid: int, master: int, run: Run, seconds: float, keys: list[Key], line: float | None) -> None:
    tail, next_usage = b"", 0.0
    while (now := time.monotonic() - run.began) < seconds:
        if now >= next_usage:
            run.usage.append((now, *_usage(pid)))
            next_usage = now + 1
        if keys and keys[0].at <= now:
            key = keys.pop(0)
            os.write(master, key.text.encode())
            run.typed.append(Key(now, key.text))
        wait = min(seconds, next_usage, keys[0].at if keys else seconds) - now
        if line:
            time.sleep(_SLICE_SECONDS)
        if not select.select([master], [], [], 0 if line else max(0.0, wait))[0]:
            continue
        try:
            data = os.read(master, round(line * _SLICE_SECONDS) if line else _READ_BYTES)
        except OSError:
            return
        run.chunks.append((time.monotonic() - run.began, data))
        seen = tail + data
        for query, answer in _ANSWERS:
            for match in query.finditer(seen):
                if match.end() > len(tail):
                    os.write(master, answer.replace(b"<1>", match[1]) if match.groups() else answer)
        tail = seen[-32:]


def _usage(pid: int) -> tuple[float, int]:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(pages) * os.sysconf("SC_PAGE_SIZE")


def _end(pid: int, master: int) -> None:
    for word, patience in ((signal.SIGHUP, 3.0), (signal.SIGKILL, 3.0)):
        os.kill(pid, word)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.02)[0]:
                try:
                    os.read(master, _READ_BYTES)
                except OSError:
                    time.sleep(0.02)
            if os.waitpid(pid, os.WNOHANG)[0]:
                os.close(master)
                return
