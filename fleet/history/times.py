"""When something was recorded: the nearest time before or after another, however coarsely its readings are kept."""

from __future__ import annotations

import sqlite3

from fleet.history.file import SUBJECT_BITS, TIME_BITS, table
from fleet.history.values import HOUR, MINUTE, RAW, Kind

_TIME = (1 << TIME_BITS) - 1


def newest(database: sqlite3.Connection, at: int) -> int | None:
    """The latest time up to ``at`` of which there is a reading, a minute, an hour or an event; None before the first.

    Of a minute or an hour that is when it begins.
    """
    return max(_nearest(database, at, "max"), default=None)


def oldest(database: sqlite3.Connection, at: int) -> int | None:
    """The earliest such time from ``at`` on; None after the last."""
    return min(_nearest(database, at, "min"), default=None)


def _nearest(database: sqlite3.Connection, at: int, which: str) -> list[int]:
    """Of every table the nearest time, seeking only: no row between is read."""
    side = "<=" if which == "max" else ">="
    found = [database.execute(f"SELECT {which}(at) FROM event WHERE at {side} ?", (at,)).fetchone()[0]]
    last_of_second = (1 << SUBJECT_BITS) - 1 if which == "max" else 0
    for kind in Kind:
        (key,) = database.execute(
            f"SELECT {which}(key) FROM {table(kind, RAW)} WHERE key {side} ?", (at << SUBJECT_BITS | last_of_second,)
        ).fetchone()
        found.append(None if key is None else key >> SUBJECT_BITS)
        for tier in (MINUTE, HOUR):
            first, last = ("0", ":at") if which == "max" else (":at", str(_TIME))
            (time,) = database.execute(
                f"SELECT {which}((SELECT {which}(key) FROM {table(kind, tier)} "
                f"WHERE key BETWEEN id << {TIME_BITS} | {first} AND id << {TIME_BITS} | {last}) & {_TIME}) "
                "FROM subject WHERE kind = :kind",
                {"at": at, "kind": kind},
            ).fetchone()
            found.append(time)
    return [time for time in found if time is not None]
