"""What was done to the fleet's hosts, written to disk before each touch. Survives any end of the process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fleet.errors import GpudeckError
from fleet.planning.json import plan_from_json, plan_json
from fleet.planning.plan import Plan, Step
from fleet.rollout.events import Phase
from fleet.secrets import masked

_VERSION = 1
_SCHEMA = """
CREATE TABLE rollout (
    id INTEGER PRIMARY KEY, begun REAL NOT NULL, ended REAL, operator TEXT NOT NULL, plan TEXT NOT NULL,
    outcome TEXT, message TEXT
);
CREATE TABLE touch (
    id INTEGER PRIMARY KEY, rollout INTEGER NOT NULL REFERENCES rollout, phase TEXT NOT NULL, n INTEGER NOT NULL,
    action TEXT NOT NULL, model TEXT NOT NULL, host TEXT NOT NULL, begun REAL NOT NULL, ended REAL, outcome TEXT,
    message TEXT
);
"""


class JournalError(GpudeckError):
    """The journal cannot be written, so nothing is changed on a host."""

    title = "No journal"


@dataclass(frozen=True, slots=True)
class Touch:
    """One step that was begun."""

    id: int
    phase: Phase
    n: int
    action: str
    model: str
    host: str
    outcome: str | None
    """``done``, ``failed``, or None where the process ended before it was known."""
    message: str | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A rollout whose process ended before it did."""

    id: int
    begun: float
    """Unix seconds."""
    operator: str
    plan: Plan
    touches: tuple[Touch, ...]

    @property
    def done(self) -> frozenset[int]:
        """Numbers of the plan's steps that are known to be done."""
        return frozenset(t.n for t in self.touches if t.phase is Phase.PLAN and t.outcome == "done")


@dataclass(frozen=True, slots=True)
class Past:
    """A rollout, as it went."""

    token: str
    begun: float
    """Unix seconds, as ``ended``."""
    ended: float | None
    operator: str
    plan: Plan
    outcome: str | None
    """None while it is unfinished."""
    message: str
    touches: tuple[Touch, ...]


class Journal:
    """The journal of one fleet: a SQLite file, synced before every return."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Open or make the journal; ``clock`` gives Unix seconds. Raises GpudeckError where it cannot be written."""
        self._clock = clock
        self._path = path
        self._claim: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA synchronous = FULL")
            self._prepare(path)
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise JournalError(
                f"The journal {path} cannot be written: {reason}.", "Nothing is changed on a host without it."
            ) from None

    def _prepare(self, path: Path) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            path.chmod(0o600)
        elif version != _VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, and this gpudeck writes version {_VERSION}")

    def close(self) -> None:
        """Close the file, and let others carry rollouts out."""
        self._database.close()
        if self._claim is not None:
            self._claim.close()

    def claim(self) -> None:
        """Keep every other process of this machine from carrying rollouts of the fleet out, until `close`.

        The claim is a lock on a file beside the journal, which the system lifts from a process that was killed.
        Raises GpudeckError where another has it.
        """
        if self._claim is not None:
            return
        claim = sqlite3.connect(self._path.with_suffix(".lock"), isolation_level=None, timeout=0)
        try:
            claim.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error:
            claim.close()
            raise GpudeckError(
                "Another gpudeck on this machine is carrying out a rollout of this fleet.", "Wait until it has ended."
            ) from None
        self._claim = claim

    def begin(self, plan: Plan, operator: str) -> int:
        """Write down a plan about to be carried out; its id.

        Raises GpudeckError while another rollout of the fleet has no end, be it still going on or cut off.
        """
        self.claim()
        other = self.unfinished()
        if other is not None:
            raise GpudeckError(
                f"A rollout of this fleet that {other.operator} began is not finished.",
                "Carry it on with `gpudeck apply --resume`, undo it with `--rollback`, or leave it with `--accept`.",
            )
        return self._write(
            "INSERT INTO rollout (begun, operator, plan) VALUES (?, ?, ?)",
            self._clock(),
            operator,
            json.dumps(plan_json(plan), ensure_ascii=False),
        )

    def token(self, rollout: int) -> str:
        """What tells this rollout from every other, of any operator; the same as long as there is a journal."""
        row = self._database.execute("SELECT id, begun, operator FROM rollout WHERE id = ?", (rollout,)).fetchone()
        return sha256(repr(row).encode()).hexdigest()[:16]

    def step_id(self, rollout: int, touch: int) -> str:
        """By what a step that was begun is found on its host."""
        return f"{self.token(rollout)}-{touch}"

    def touch(self, rollout: int, phase: Phase, step: Step) -> int:
        """Write down a step about to be taken; its id."""
        return self._write(
            "INSERT INTO touch (rollout, phase, n, action, model, host, begun) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rollout,
            phase,
            step.n,
            step.action,
            step.model,
            step.host,
            self._clock(),
        )

    def touched(self, touch: int, outcome: str, message: str = "") -> None:
        """Write down how a step ended: ``done``, ``failed`` or ``unknown``."""
        ended = None if outcome == "unknown" else outcome
        self._write(
            "UPDATE touch SET ended = ?, outcome = ?, message = ? WHERE id = ?",
            self._clock(),
            ended,
            masked(message),
            touch,
        )

    def end(self, rollout: int, outcome: str, message: str) -> None:
        """Write down how a rollout ended; from then on it is no longer unfinished."""
        self._write(
            "UPDATE rollout SET ended = ?, outcome = ?, message = ? WHERE id = ?",
            self._clock(),
            outcome,
            masked(message),
            rollout,
        )

    def unfinished(self) -> Unfinished | None:
        """The newest rollout that has no end; None where all have."""
        row = self._database.execute(
            "SELECT id, begun, operator, plan FROM rollout WHERE outcome IS NULL ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        return Unfinished(row[0], row[1], row[2], plan_from_json(row[3]), self.touches(row[0]))

    def rollouts(self, last: int, model: str | None = None) -> tuple[Past, ...]:
        """The newest ``last`` rollouts, oldest first; with ``model``, of those that touched it."""
        touching = "WHERE id IN (SELECT rollout FROM touch WHERE model = ?)" if model else ""
        columns = "id, begun, ended, operator, plan, outcome, message"
        rows = self._database.execute(
            f"SELECT {columns} FROM rollout {touching} ORDER BY id DESC LIMIT ?", (*([model] if model else []), last)
        ).fetchall()
        return tuple(
            Past(self.token(id), begun, ended, who, plan_from_json(plan), outcome, message or "", self.touches(id))
            for id, begun, ended, who, plan, outcome, message in reversed(rows)
        )

    def touches(self, rollout: int) -> tuple[Touch, ...]:
        """The steps of a rollout that were begun, in their order."""
        rows = self._database.execute(
            "SELECT id, phase, n, action, model, host, outcome, message FROM touch WHERE rollout = ? ORDER BY id",
            (rollout,),
        )
        return tuple(Touch(id, Phase(phase), *rest) for id, phase, *rest in rows)

    def _write(self, statement: str, *values: object) -> int:
        try:
            return self._database.execute(statement, values).lastrowid or 0
        except sqlite3.Error as error:
            raise JournalError(
                f"The journal cannot be written: {error}.", "Nothing is changed on a host without it."
            ) from None
