"""What a rollout tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.planning.plan import Step


class Phase(StrEnum):
    """Whether a step goes forward or back."""

    PLAN = "plan"
    ROLLBACK = "rollback"


WAYS_ON = "`gpudeck apply --rollback` goes back, `--resume` goes on, and `--accept` leaves everything as it stands."
"""What to do with a rollout that is left to be gone on from."""


class Kind(StrEnum):
    """What happened."""

    STARTED = "started"
    """A step began."""
    PROGRESS = "progress"
    """What a step is waiting for."""
    DONE = "done"
    FAILED = "failed"
    PAUSED = "paused"
    ROLLING_BACK = "rolling back"
    """The steps of a rollback follow; they are numbered anew."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    kind: Kind
    message: str = ""
    phase: Phase = Phase.PLAN
    step: Step | None = None
    steps: tuple[Step, ...] = ()
    """Of a rollback that begins: its steps."""


class Outcome(StrEnum):
    """How a rollout ended."""

    DONE = "done"
    RESTORED = "restored"
    """A step failed; what it touched is back as it was. Steps before it stand, steps after it were not begun."""
    ROLLED_BACK = "rolled back"
    """Everything is back as it was."""
    FAILED = "failed"
    """A step failed, and so did the way back; the message says what stands."""
    LEFT = "left"
    """The operator left it as it stands, there or on the way back; it can be carried on or undone."""
    UNKNOWN = "unknown"
    """The line was lost in the middle of a step: what it did is not known."""
    STOPPED = "stopped"
    """It ended between two models, because no other may be begun now. What is done stands."""
    ACCEPTED = "accepted"
    """Its operator leaves everything as it stands."""

    @property
    def is_open(self) -> bool:
        """Whether something is left to be gone on from, undone or accepted: the journal keeps it as unfinished."""
        return self in (Outcome.FAILED, Outcome.LEFT, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Result:
    """How a rollout ended, and what the operator should know."""

    outcome: Outcome
    message: str
    done: tuple[str, ...] = ()
    """Models that are as the plan wants them."""
    failed: str | None = None
    """The model whose step failed."""
