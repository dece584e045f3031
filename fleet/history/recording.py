"""Writing the history: entries in, minutes and hours rolled up from them, and what is old taken away.

Several processes may record one fleet at once. A reading is kept by its subject and second, so that the same reading
seen twice is one; an event is kept only where it changes what was last recorded; and a minute is always rolled up
from the readings as they stand, however often. What is not rolled up yet is written down with the readings it is
made of, so that a process killed at any moment leaves nothing behind that the next one does not finish.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields

from fleet.history.file import SUBJECT_BITS, TIME_BITS, columns, table
from fleet.history.values import (
    HOUR,
    MINUTE,
    QUANTITIES,
    RAW,
    Entry,
    Event,
    EventKind,
    Frame,
    Kind,
    Sample,
    Standing,
    Start,
    Subject,
    Tier,
)

LIMIT_BYTES = 2 << 30
"""What the file may take; beyond it, readings are taken away before their day is over."""
EVENTS_KEPT = 50_000
"""Events that are kept beside those that still stand."""
_SUBJECTS = 20_000
"""Subjects that are recorded at most: a host that is somebody else every second is not followed for ever."""
_LARGEST = 1 << 50
"""Values from here on are nonsense, and would overflow the sum of an hour."""
_PRUNED_BUCKETS = 4
"""How much may go at a time, in times of what comes. A clock that is years ahead for a while costs little history."""


class Recording:
    """The one thing that writes to an open file. For one thread."""

    def __init__(self, database: sqlite3.Connection, *, limit_bytes: int = LIMIT_BYTES) -> None:
        """Over a connection of `fleet.history.file.open_file`."""
        self._database = database
        self._limit_bytes = limit_bytes
        self._ids: dict[tuple[Kind, str], int] = {}
        """Number of a subject, by its kind and identity."""
        self._named: dict[Subject, str] = {}
        """Who goes by that name now."""
        self._read_subjects()

    def write(self, entries: Iterable[Entry]) -> None:
        """Keep the entries, all or none. Raises sqlite3.Error."""
        try:
            with self._transaction():
                for entry in entries:
                    match entry:
                        case Frame():
                            self._write_frame(entry)
                        case Event():
                            self._write_event(entry)
                        case Standing():
                            self._write_standing(entry)
                        case Start():
                            self._write_start(entry)
        except sqlite3.Error:
            self._read_subjects()
            raise

    def roll(self, now: float) -> None:
        """Roll up every minute and hour that is over, and take away what is old. Raises sqlite3.Error."""
        rolled = False
        for tier, finer in ((MINUTE, RAW), (HOUR, MINUTE)):
            waiting = self._database.execute("SELECT at FROM unrolled WHERE seconds = ?", (tier.seconds,)).fetchall()
            for (at,) in waiting:
                if not at <= now < at + tier.seconds:
                    self._roll(tier, finer, at)
                    rolled = True
        if rolled:
            self._prune(int(now))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # entries

    def _write_frame(self, frame: Frame) -> None:
        for kind in Kind:
            rows = [
                (frame.at << SUBJECT_BITS | id_, *_stored(sample))
                for sample in frame.samples
                if sample.subject.kind is kind and (id_ := self._id(sample)) is not None
            ]
            if rows:
                names = columns(kind, RAW)
                self._database.executemany(
                    f"INSERT OR REPLACE INTO {table(kind, RAW)} (key, {', '.join(names)}) "
                    f"VALUES ({', '.join('?' * (len(names) + 1))})",
                    rows,
                )
        self._mark(MINUTE, frame.at)

    def _id(self, sample: Sample) -> int | None:
        """The number of a subject; a new one gets one. A GPU that has another index now takes that name over."""
        subject, identity = sample.subject, sample.identity
        known = self._ids.get((subject.kind, identity))
        if known is not None and self._named.get(subject) == identity:
            return known
        if known is None and len(self._ids) >= _SUBJECTS:
            return None
        self._database.execute("UPDATE subject SET name = NULL WHERE kind = ? AND name = ?", subject)
        ((id_,),) = self._database.execute(
            "INSERT INTO subject (kind, identity, name) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, identity) DO UPDATE SET name = excluded.name RETURNING id",
            (subject.kind, identity, subject.name),
        ).fetchall()
        if known is not None:
            self._named = {
                name: who for name, who in self._named.items() if (name.kind, who) != (subject.kind, identity)
            }
        self._named[subject] = identity
        self._ids[subject.kind, identity] = id_
        return int(id_)

    def _read_subjects(self) -> None:
        self._ids, self._named = {}, {}
        for id_, kind, identity, name in self._database.execute("SELECT id, kind, identity, name FROM subject"):
            self._ids[Kind(kind), identity] = id_
            if name is not None:
                self._named[Subject(Kind(kind), name)] = identity

    def _mark(self, tier: Tier, at: int) -> None:
        self._database.execute("INSERT OR IGNORE INTO unrolled VALUES (?, ?)", (tier.seconds, at - at % tier.seconds))

    def _write_event(self, event: Event) -> None:
        last = self._database.execute(
            "SELECT value FROM event WHERE kind = ? AND subject = ? AND at <= ? ORDER BY at DESC, id DESC LIMIT 1",
            (event.kind, event.subject, event.at),
        ).fetchone()
        if event.value == (last[0] if last else None) and event.kind is not EventKind.ROLLOUT:
            return
        self._database.execute(
            "INSERT INTO event (at, kind, subject, value) VALUES (?, ?, ?, ?)",
            (event.at, event.kind, event.subject, event.value),
        )

    def _write_standing(self, standing: Standing) -> None:
        recorded = dict(
            self._database.execute(
                "SELECT subject, value FROM event WHERE kind = ? AND at <= ? ORDER BY at, id",
                (EventKind.FINDING, standing.at),
            ).fetchall()
        )
        for subject, value in recorded.items():
            if value is not None and subject not in standing.findings:
                self._write_event(Event(standing.at, EventKind.FINDING, subject, None))
        for subject, sentence in standing.findings.items():
            if recorded.get(subject) is None:
                self._write_event(Event(standing.at, EventKind.FINDING, subject, sentence))

    def _write_start(self, start: Start) -> None:
        row = {field.name: getattr(start, field.name) for field in fields(start)}
        row |= {name: json.dumps(dict(row[name])) for name in ("predicted", "measured", "given")}
        self._database.execute(
            f"INSERT OR REPLACE INTO start ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", row
        )

    # minutes and hours

    def _roll(self, tier: Tier, finer: Tier, at: int) -> None:
        with self._transaction():
            for kind in Kind:
                self._database.execute(_roll_statement(kind, tier, finer), {"at": at, "end": at + tier.seconds})
            self._database.execute("DELETE FROM unrolled WHERE seconds = ? AND at = ?", (tier.seconds, at))
            if tier is MINUTE:
                self._mark(HOUR, at)

    # what is old

    def _prune(self, now: int) -> None:
        (subjects,) = self._database.execute("SELECT count(*) FROM subject").fetchone()
        raw_before = now - RAW.kept if self._used_bytes() < self._limit_bytes else now
        with self._transaction():
            for kind in Kind:
                name = table(kind, RAW)
                self._database.execute(
                    f"DELETE FROM {name} WHERE key IN (SELECT key FROM {name} WHERE key < ? ORDER BY key LIMIT ?)",
                    (raw_before << SUBJECT_BITS, _PRUNED_BUCKETS * 60 * subjects),
                )
                for tier in (MINUTE, HOUR):
                    self._prune_buckets(kind, tier, now - tier.kept)
            self._database.execute(
                "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ? AND EXISTS ("
                "SELECT 1 FROM event AS later "
                "WHERE later.kind = event.kind AND later.subject = event.subject AND later.id > event.id)",
                (EVENTS_KEPT,),
            )

    def _prune_buckets(self, kind: Kind, tier: Tier, before: int) -> None:
        name = table(kind, tier)
        statement = (
            f"DELETE FROM {name} WHERE key IN "
            f"(SELECT key FROM {name} WHERE key >= ? AND key < ? ORDER BY key LIMIT {_PRUNED_BUCKETS})"
        )
        ids = [id_ for (its_kind, _), id_ in self._ids.items() if its_kind is kind]
        first = ((id_ << TIME_BITS, (id_ << TIME_BITS) + before) for id_ in ids)
        self._database.executemany(statement, first)

    def _used_bytes(self) -> int:
        (pages,), (free,), (size,) = (
            self._database.execute(f"PRAGMA {name}").fetchone()
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def _stored(sample: Sample) -> list[int | None]:
    """The values as whole numbers; what no GPU could have is not kept."""
    quantities = QUANTITIES[sample.subject.kind]
    return [
        None if value is None or not abs(value) < _LARGEST else round(value * quantity.scale)
        for quantity, value in zip(quantities, sample.values, strict=True)
    ]


def _roll_statement(kind: Kind, tier: Tier, finer: Tier) -> str:
    """SQL that makes one bucket per subject, of the time ``:at`` to ``:end``, from the next finer table."""
    into = f"INSERT OR REPLACE INTO {table(kind, tier)} (key, {', '.join(columns(kind, tier))})"
    names = [quantity.name for quantity in QUANTITIES[kind]]
    if finer is RAW:
        parts = ", ".join(f"count({name}), min({name}), sum({name}), max({name})" for name in names)
        subject = f"key & {(1 << SUBJECT_BITS) - 1}"
        return (
            f"{into} SELECT ({subject}) << {TIME_BITS} | :at, {parts} FROM {table(kind, RAW)} "
            f"WHERE key >= :at << {SUBJECT_BITS} AND key < :end << {SUBJECT_BITS} GROUP BY {subject}"
        )
    parts = ", ".join(f"sum({n}_n), min({n}_low), sum({n}_sum), max({n}_peak)" for n in names)
    key = f"(subject.id << {TIME_BITS})"
    return (
        f"{into} SELECT {key} | :at, {parts} FROM subject CROSS JOIN {table(kind, finer)} AS finer "
        f"ON finer.key >= {key} + :at AND finer.key < {key} + :end WHERE subject.kind = '{kind}' GROUP BY subject.id"
    )
