"""Reading the history back: series, peaks, events, the state at a time, and starts. Writes nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from fleet.errors import GpudeckError
from fleet.history import times
from fleet.history.file import SUBJECT_BITS, TIME_BITS, columns, open_file, table
from fleet.history.values import HOUR, MINUTE, QUANTITIES, RAW, TIERS, Event, EventKind, Kind, Start, Subject, Tier

_FRESH_SECONDS = 10
"""How much older than a moment a reading may be and still show that moment."""
_PEAK_BUCKETS = 168
"""Of which a peak is at least sought: minutes up to some days, the hours of a week."""
_TIME = (1 << TIME_BITS) - 1
_SUBJECT = (1 << SUBJECT_BITS) - 1


class Bucket(NamedTuple):
    """What one quantity was over a stretch of time."""

    at: int
    """Unix seconds at which the stretch begins."""
    low: float
    mean: float
    peak: float


class Peak(NamedTuple):
    """The highest value of a quantity."""

    value: float
    at: int
    """Unix seconds at which the minute began that it was in; over a week and more, the hour."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What was recorded of the fleet at one time."""

    at: int
    values: Mapping[Subject, Mapping[str, float]]
    """By subject and quantity; a bucket's mean where single readings are no longer kept. Absent = not measured."""
    facts: Mapping[tuple[EventKind, str], str]
    """What stood then, by kind of event and subject."""


class _Row(NamedTuple):
    at: int
    seconds: int
    n: int
    low: int
    sum: int
    peak: int


class History:
    """A fleet's history, open for reading. For one thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Over a connection of `fleet.history.file.open_file`."""
        self._database = database

    def subjects(self, kind: Kind) -> tuple[Subject, ...]:
        """Every GPU or model that was ever read, in the order they were first."""
        names = self._database.execute(
            "SELECT name FROM subject WHERE kind = ? AND name IS NOT NULL ORDER BY id", (kind,)
        )
        return tuple(Subject(kind, name) for (name,) in names)

    def series(
        self, subject: Subject, quantity: str, since: float, until: float, points: int
    ) -> tuple[Bucket | None, ...]:
        """The quantity from ``since`` to ``until``, Unix seconds, as ``points`` buckets; None where nothing was read.

        A bucket's peak is the highest single reading of it, however long ago. Where readings are no longer kept as
        finely as asked for, neighbouring buckets are the same.
        """
        slots: list[list[_Row]] = [[] for _ in range(points)]
        step = (until - since) / points
        id_ = self._id(subject)
        if id_ is None:
            return (None,) * points
        tier = self._tier(subject.kind, id_, since, step)
        for row in self._rows(subject.kind, id_, quantity, tier, int(since), int(until)):
            first = max(0, int((row.at - since) / step))
            last = max(first, int((row.at + row.seconds - since) / step) - 1) if row.seconds > step else first
            for slot in slots[first : last + 1]:
                slot.append(row)
        scale = _scale(subject.kind, quantity)
        return tuple(
            _bucket(int(since + number * step), slot, scale) if slot else None for number, slot in enumerate(slots)
        )

    def peaks(self, subject: Subject, since: float, until: float, *, only: str | None = None) -> Mapping[str, Peak]:
        """The highest value of each quantity, or of one, that was measured in that time."""
        id_ = self._id(subject)
        if id_ is None:
            return {}
        found = {}
        tier = self._tier(subject.kind, id_, since, max(MINUTE.seconds, (until - since) / _PEAK_BUCKETS))
        for quantity in QUANTITIES[subject.kind]:
            if only not in (None, quantity.name):
                continue
            rows = self._rows(subject.kind, id_, quantity.name, tier, int(since), int(until))
            best = max(rows, key=lambda row: row.peak, default=None)
            if best is not None:
                found[quantity.name] = Peak(_plain(best.peak, quantity.scale), best.at)
        return found

    def events(self, since: float, until: float, subject: str | None = None) -> tuple[Event, ...]:
        """What became so from ``since`` to before ``until``, oldest first; only of that host or model where named."""
        rows = self._database.execute(
            "SELECT at, kind, subject, value, (SELECT before.value FROM event AS before "
            "  WHERE before.kind = event.kind AND before.subject = event.subject "
            "  AND (before.at, before.id) < (event.at, event.id) ORDER BY before.at DESC, before.id DESC LIMIT 1) "
            "FROM event WHERE at >= ? AND at < ? ORDER BY at, id",
            (int(since), int(until)),
        )
        found = (Event(at, EventKind(kind), its, value, before) for at, kind, its, value, before in rows)
        return tuple(event for event in found if subject is None or subject in event.subject.split(" "))

    def at(self, time: float) -> Moment:
        """What was recorded of everything at that time."""
        at = int(time)
        facts = {}
        for kind, subject, value in self._database.execute(
            "SELECT kind, subject, value FROM event WHERE at <= ? ORDER BY at, id", (at,)
        ):
            facts[EventKind(kind), subject] = value
        values = {subject: found for kind in Kind for subject, found in self._values_at(kind, at).items()}
        return Moment(at, values, {fact: value for fact, value in facts.items() if value is not None})

    def newest(self, until: float) -> int | None:
        """The latest time up to then of which something is recorded; None before the first."""
        return times.newest(self._database, int(until))

    def oldest(self, since: float) -> int | None:
        """The earliest such time from then on; None after the last."""
        return times.oldest(self._database, int(since))

    def starts(self, model: str | None = None) -> tuple[Start, ...]:
        """Recorded starts of a model, or of all, oldest first."""
        names = [field.name for field in fields(Start)]
        rows = self._database.execute(
            f"SELECT {', '.join(names)} FROM start WHERE ?1 IS NULL OR model = ?1 ORDER BY at, gpu", (model,)
        )
        return tuple(_start(dict(zip(names, row, strict=True))) for row in rows)

    # where a series is found

    def _id(self, subject: Subject) -> int | None:
        row = self._database.execute("SELECT id FROM subject WHERE kind = ? AND name = ?", subject).fetchone()
        return row[0] if row else None

    def _tier(self, kind: Kind, id_: int, since: float, step: float) -> Tier:
        """The coarsest resolution that is as fine as asked for, or one coarser that reaches further back."""
        number = max(number for number, tier in enumerate(TIERS) if tier.seconds <= max(1, step))
        while number + 1 < len(TIERS):
            coarser = TIERS[number + 1]
            begins, earlier = self._begins(kind, id_, TIERS[number]), self._begins(kind, id_, coarser)
            if earlier is None or (begins is not None and begins <= max(since, earlier + coarser.seconds)):
                break
            number += 1
        return TIERS[number]

    def _begins(self, kind: Kind, id_: int, tier: Tier) -> int | None:
        """The time of the oldest row of that resolution."""
        name = table(kind, tier)
        if tier is RAW:
            (key,) = self._database.execute(f"SELECT min(key) FROM {name}").fetchone()
            return None if key is None else key >> SUBJECT_BITS
        key = id_ << TIME_BITS
        (key,) = self._database.execute(
            f"SELECT min(key) FROM {name} WHERE key >= ? AND key <= ?", (key, key | _TIME)
        ).fetchone()
        return None if key is None else key & _TIME

    def _rows(self, kind: Kind, id_: int, quantity: str, tier: Tier, since: int, until: int) -> Iterator[_Row]:
        """Buckets of that resolution; finer ones for what is not rolled up yet. In no order."""
        if tier is RAW:
            yield from self._raw_rows(kind, id_, quantity, since, until)
            return
        unrolled = {
            at
            for (at,) in self._database.execute(
                "SELECT at FROM unrolled WHERE seconds = ? AND at > ? AND at < ?",
                (tier.seconds, since - tier.seconds, until),
            )
        }
        key = id_ << TIME_BITS
        rows = self._database.execute(
            f"SELECT key & {_TIME}, {tier.seconds}, {quantity}_n, {quantity}_low, {quantity}_sum, {quantity}_peak "
            f"FROM {table(kind, tier)} WHERE key > ? AND key < ? AND {quantity}_n > 0",
            (key + max(0, since - tier.seconds), key + until),
        )
        yield from (_Row(*row) for row in rows if row[0] not in unrolled)
        finer = TIERS[TIERS.index(tier) - 1]
        for at in unrolled:
            yield from self._rows(kind, id_, quantity, finer, max(at, since), min(at + tier.seconds, until))

    def _raw_rows(self, kind: Kind, id_: int, quantity: str, since: int, until: int) -> Iterator[_Row]:
        """A look-up for each second: the readings of a thousand other subjects lie between any two of one."""
        rows = self._database.execute(
            "WITH RECURSIVE second (at) AS (VALUES (:since) UNION ALL SELECT at + 1 FROM second WHERE at + 1 < :until) "
            f"SELECT second.at, {quantity} FROM second CROSS JOIN {table(kind, RAW)} AS raw "
            f"ON raw.key = second.at << {SUBJECT_BITS} | :id WHERE {quantity} IS NOT NULL AND second.at < :until",
            {"since": since, "until": until, "id": id_},
        )
        return (_Row(at, 1, 1, value, value, value) for at, value in rows)

    # one moment

    def _values_at(self, kind: Kind, at: int) -> dict[Subject, dict[str, float]]:
        names = dict(self._database.execute("SELECT id, name FROM subject WHERE kind = ?", (kind,)))
        found: dict[Subject, dict[str, float]] = {}
        for id_, values in self._stored_at(kind, at):
            figures = {
                quantity.name: _plain(value, quantity.scale)
                for quantity, value in zip(QUANTITIES[kind], values, strict=True)
                if value is not None
            }
            if names.get(id_):
                found[Subject(kind, names[id_])] = figures
        return found

    def _stored_at(self, kind: Kind, at: int) -> list[tuple[int, tuple[float | None, ...]]]:
        """(subject's id, stored values) of the newest readings, else of the minute, else of the hour of that time."""
        rows = self._database.execute(
            f"SELECT key & {_SUBJECT}, {', '.join(columns(kind, RAW))} FROM {table(kind, RAW)} "
            "WHERE key >= ? AND key < ? ORDER BY key",
            ((at - _FRESH_SECONDS) << SUBJECT_BITS, (at + 1) << SUBJECT_BITS),
        ).fetchall()
        for tier in (MINUTE, HOUR):
            if rows:
                break
            means = ", ".join(f"1.0 * {q.name}_sum / {q.name}_n" for q in QUANTITIES[kind])
            key = f"(subject.id << {TIME_BITS} | {at - at % tier.seconds})"
            rows = self._database.execute(
                f"SELECT subject.id, {means} FROM subject CROSS JOIN {table(kind, tier)} AS bucket "
                f"ON bucket.key = {key} WHERE subject.kind = ?",
                (kind,),
            ).fetchall()
        return [(id_, values) for id_, *values in rows]


@contextmanager
def history(path: Path) -> Iterator[History]:
    """The history in that file; an empty one where there is none. Raises GpudeckError where it cannot be read."""
    try:
        database = open_file(path if path.exists() else None)
    except (OSError, sqlite3.Error) as error:
        raise _unreadable(path, error) from None
    try:
        yield History(database)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None
    finally:
        database.close()


def _unreadable(path: Path, error: Exception) -> GpudeckError:
    return GpudeckError(
        f"The history {path} cannot be read: {error}.", "The next console that records will set it aside."
    )


def _start(row: dict[str, Any]) -> Start:
    row |= {name: json.loads(row[name]) for name in ("predicted", "measured", "given")}
    return Start(**row | {"alone": bool(row["alone"])})


def _scale(kind: Kind, quantity: str) -> int:
    return next(known.scale for known in QUANTITIES[kind] if known.name == quantity)


def _plain(stored: float, scale: int) -> float:
    return stored if scale == 1 else stored / scale


def _bucket(at: int, rows: list[_Row], scale: int) -> Bucket:
    return Bucket(
        at,
        _plain(min(row.low for row in rows), scale),
        sum(row.sum for row in rows) / sum(row.n for row in rows) / scale,
        _plain(max(row.peak for row in rows), scale),
    )
