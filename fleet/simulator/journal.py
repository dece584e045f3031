"""The system journal of a simulated host, and what journalctl prints of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

KEPT = 20_000
INFO, NOTICE, WARNING = 6, 5, 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    number: int
    at: float
    """Unix seconds."""
    unit: str
    identifier: str
    pid: int
    message: str
    priority: int = INFO
    invocation: str = ""
    """The run of the unit whose process wrote it; empty for the service manager's own."""
    since_boot: float = 0.0
    """Seconds."""

    @property
    def moment(self) -> datetime:
        """When it was written."""
        return datetime.fromtimestamp(self.at, UTC)


class Journal:
    """The newest lines of every unit, oldest first."""

    def __init__(self, host: str, booted: float) -> None:
        """Empty; ``booted`` = when the host was, in Unix seconds."""
        self.host = host
        self._booted = booted
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._written = 0

    def write(
        self,
        at: float,
        unit: str,
        identifier: str,
        pid: int,
        text: str,
        priority: int = INFO,
        invocation: str = "",
    ) -> None:
        """Add a message, one entry a line."""
        for line in text.split("\n"):
            self._written += 1
            since = at - self._booted
            self._entries.append(Entry(self._written, at, unit, identifier, pid, line, priority, invocation, since))

    @property
    def last(self) -> int:
        """The number of the newest entry."""
        return self._written

    def of(self, units: frozenset[str], after: int = 0) -> Iterator[Entry]:
        """The entries of these units (of all, where none is named) beyond a number."""
        for entry in self._entries:
            if entry.number > after and (not units or entry.unit in units):
                yield entry


def _short(entry: Entry, host: str, stamp: str) -> str:
    return f"{stamp} {host} {entry.identifier}[{entry.pid}]: {entry.message}"


def _cat(entry: Entry, host: str) -> str:
    return entry.message


def _syslog(entry: Entry, host: str) -> str:
    return _short(entry, host, f"{entry.moment:%b %d %H:%M:%S}")


def _iso(entry: Entry, host: str) -> str:
    return _short(entry, host, f"{entry.moment:%Y-%m-%dT%H:%M:%S+0000}")


def _monotonic(entry: Entry, host: str) -> str:
    return _short(entry, host, f"[{entry.since_boot:12.6f}]")


def _json(entry: Entry, host: str) -> str:
    microseconds = str(round(entry.at * 1e6))
    fields = {
        "__CURSOR": f"s=simulated;i={entry.number:x}",
        "__REALTIME_TIMESTAMP": microseconds,
        "_HOSTNAME": host,
        "_PID": str(entry.pid),
        "_SYSTEMD_UNIT": entry.unit if entry.pid != 1 else "init.scope",
        "SYSLOG_IDENTIFIER": entry.identifier,
        "_SYSTEMD_INVOCATION_ID": entry.invocation,
        "PRIORITY": str(entry.priority),
        "MESSAGE": entry.message,
    }
    if entry.pid == 1:
        fields["UNIT"] = entry.unit
    return json.dumps(fields, separators=(",", ":"))


FORMATS: dict[str, Callable[[Entry, str], str]] = {
    "cat": _cat,
    "short": _syslog,
    "short-iso": _iso,
    "short-monotonic": _monotonic,
    "json": _json,
}
"""How journalctl prints an entry, by the name of its output format."""
