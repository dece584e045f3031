"""The ``journalctl`` of a simulated host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from fleet.simulator.commands import Caller, Options, UnknownOptionError, options, unit_named
from fleet.simulator.journal import FORMATS, Entry, Journal

_FOLLOWED_LINES = 10
_RUN = "_SYSTEMD_INVOCATION_ID="
_WITH_VALUE = ("u", "unit", "n", "lines", "o", "output", "S", "since", "g", "grep", "p", "priority", "t", "identifier")
_SWITCHES = (
    "f",
    "follow",
    "no-pager",
    "q",
    "quiet",
    "b",
    "boot",
    "e",
    "no-hostname",
    "a",
    "all",
    "r",
    "reverse",
)


async def journalctl(argv: Sequence[str], caller: Caller) -> int:
    """Run ``journalctl`` with these arguments; its exit status. With ``-f`` it goes on until cancelled."""
    try:
        given = options(argv, _WITH_VALUE, _SWITCHES)
        since = _since(given)
    except UnknownOptionError as error:
        caller.err(f"journalctl: unrecognized option '{error}'")
        return 1
    except ValueError as error:
        caller.err(f"Failed to parse timestamp: {error}")
        return 1
    form = (*given.values("o", "output"), "short")[0]
    if form not in FORMATS:
        caller.err(f"Unknown output format '{form}'.")
        return 1
    units = frozenset(unit_named(name) for name in given.values("u", "unit"))
    runs = {word.removeprefix(_RUN) for word in given.words if word.startswith(_RUN)}
    follow = given.has("f", "follow")
    tags = given.values("t", "identifier")
    entries = [
        entry
        for entry in caller.host.machine.journal.of(units)
        if entry.at >= since and (not tags or entry.identifier in tags)
    ]
    entries = [entry for entry in entries if not runs or entry.invocation in runs]
    entries = entries[len(entries) - min(_lines(given, follow), len(entries)) :]
    if given.has("r", "reverse"):
        entries.reverse()
    if not entries and not follow and not given.has("q", "quiet"):
        caller.out("-- No entries --")
    _print(entries, form, caller)
    if follow:
        await _follow(units, form, caller)
    return 0


async def _follow(units: frozenset[str], form: str, caller: Caller) -> None:
    journal = caller.host.machine.journal
    seen = journal.last
    while True:
        await caller.host.until(partial(_beyond, journal, seen))
        _print(journal.of(units, after=seen), form, caller)
        seen = journal.last


def _beyond(journal: Journal, seen: int) -> bool:
    return journal.last > seen


def _print(entries: Iterable[Entry], form: str, caller: Caller) -> None:
    for entry in entries:
        caller.out(FORMATS[form](entry, caller.host.machine.name))


def _lines(given: Options, follow: bool) -> int:
    said = (*given.values("n", "lines"), "")[0]
    if said.isdigit():
        return int(said)
    return _FOLLOWED_LINES if follow or said else 1 << 30


def _since(given: Options) -> float:
    """Unix seconds of ``--since @SECONDS`` or ``--since 'YYYY-MM-DD HH:MM:SS'``."""
    said = (*given.values("S", "since"), "")[0]
    if not said:
        return 0.0
    if said.startswith("@"):
        return float(said[1:])
    return datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp()
