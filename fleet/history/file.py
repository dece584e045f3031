"""The file a fleet's history is kept in: how it is laid out, made, opened and set aside.

Readings are rows of one integer key. That of a raw one is its time and then its subject, so that recording only ever
appends and the oldest are in one place; that of a minute or an hour is its subject and then its time, so that a
series is one stretch of the file.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from fleet.errors import GpudeckError
from fleet.history.values import QUANTITIES, RAW, TIERS, Kind, Tier
from fleet.text import clean

APPLICATION = 0x67706463
"""Marks a SQLite file as a history of gpudeck."""
SUBJECT_BITS = 20
TIME_BITS = 40
_WAL_BYTES = 8 << 20
_WAIT_SECONDS = 5.0

_STEPS = (
    """
CREATE TABLE subject (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, identity TEXT NOT NULL, name TEXT, UNIQUE (kind, identity)
);
CREATE TABLE unrolled (seconds INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (seconds, at)) WITHOUT ROWID;
CREATE TABLE event (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, value TEXT
);
CREATE INDEX event_of ON event (kind, subject, at);
CREATE INDEX event_at ON event (at);
CREATE TABLE start (
    model TEXT NOT NULL, gpu TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL, build TEXT NOT NULL,
    arguments TEXT NOT NULL, predicted TEXT NOT NULL, measured TEXT NOT NULL, outcome TEXT NOT NULL,
    sentence TEXT NOT NULL, alone INTEGER NOT NULL, seconds REAL, PRIMARY KEY (model, gpu, run)
) WITHOUT ROWID;
""",
    "ALTER TABLE start ADD COLUMN given TEXT NOT NULL DEFAULT '{}';",
)
"""What makes each version of the file from the one before; a file's version is how many of them it has behind it.
The tables of readings are not among them: they follow `QUANTITIES`."""


class SpoiltFileError(sqlite3.DatabaseError):
    """A file that SQLite reads and that is not a history, or no longer a whole one."""


def table(kind: Kind, tier: Tier) -> str:
    """The table of a kind's readings in that resolution."""
    return f"{kind}_{tier.name}"


def columns(kind: Kind, tier: Tier) -> tuple[str, ...]:
    """Its columns after the key: a raw quantity is one, a bucket's are count, lowest, sum and peak."""
    names = [quantity.name for quantity in QUANTITIES[kind]]
    if tier is RAW:
        return tuple(names)
    return tuple(f"{name}_{part}" for name in names for part in ("n", "low", "sum", "peak"))


def open_file(path: Path | None, *, check: bool = False) -> sqlite3.Connection:
    """The file, made where it is missing and brought up to date where it is of an earlier version; None = in memory.

    With ``check`` all of it is read first. Raises sqlite3.Error or OSError where it cannot be used (`is_spoilt` tells
    whether it ever will be), and GpudeckError where it is of a later version.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            path.touch(mode=0o600)
    database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=_WAIT_SECONDS)
    try:
        _prepare(database, path)
        if check:
            _check(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path | None) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and tables:
        raise SpoiltFileError("it is a database of another program")
    if version > len(_STEPS):
        raise GpudeckError(
            f"The history {path} was written by a later gpudeck (version {version}, and this one knows {len(_STEPS)}).",
            "It is left alone; update gpudeck to read and go on with it.",
        )
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    if version == len(_STEPS) and not _missing_columns(database):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        _bring_up_to_date(database)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    """Make what the file lacks. Another process may have done so meanwhile."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    for step in _STEPS[version:]:
        for statement in step.strip().rstrip(";").split(";\n"):
            database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {max(version, len(_STEPS))}")
    for kind in Kind:
        for tier in TIERS:
            database.execute(f"CREATE TABLE IF NOT EXISTS {table(kind, tier)} (key INTEGER PRIMARY KEY)")
    for name, column in _missing_columns(database):
        database.execute(f"ALTER TABLE {name} ADD COLUMN {column} INTEGER")


def _missing_columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """Columns of quantities that the file does not know yet, with their tables."""
    missing = []
    for kind in Kind:
        for tier in TIERS:
            name = table(kind, tier)
            there = {column for _, column, *_ in database.execute(f"PRAGMA table_info({name})")}
            missing += [(name, column) for column in columns(kind, tier) if column not in there]
    return missing


def _check(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise SpoiltFileError(clean(found))


def is_spoilt(error: sqlite3.Error) -> bool:
    """Whether an error means that the file is not a history, or no longer a whole one."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, SpoiltFileError) or (
        code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    )


def set_aside(path: Path, why: str, now: float) -> str:
    """Rename a file that cannot be used, with what SQLite keeps beside it; the sentence to tell. Nothing is deleted."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.set-aside-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.set-aside-{stamp}-{number}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return f"The history {path.name} could not be used ({why}); it is kept as {aside.name}, and a new one begun."
