"""The screens of the console, and the states of a fleet they are shown in. A new screen is a line of `SCREENS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from recorded_demo import READ_AT, RecordedSession, recorded_snapshot
from rewound import failed

from fleet.inventory.changes import SetArgument
from fleet.readings import HostSnapshot, Link

MOVED = ("down", "m", "8", "enter")
"""A draft of one move."""

SCREENS: Mapping[str, tuple[str, ...]] = {
    "deck": (),
    "carrying": ("m", "f"),
    "after": (*MOVED, "v"),
    "jumping": ("semicolon",),
    "filtering": ("slash", *"role=chat"),
    "commanding": ("colon", *"mo"),
    "findings": ("f",),
    "edit": ("e",),
    "detail": ("z",),
    "compare": ("z", "C"),
    "logs": ("l",),
    "difference": ("d",),
    "rebalance": ("b",),
    "overview": ("o",),
    "rollouts": ("colon", *"rollouts", "enter"),
    "plan": (*MOVED, "p"),
    "help": ("question_mark",),
}
"""What is pressed on the deck to be there."""


def stale(session: RecordedSession) -> None:
    """No reading for twelve seconds."""
    session.board.publish(replace(recorded_snapshot(Link.STALE), read_at=READ_AT - 12))


def lost(session: RecordedSession) -> None:
    """No reading for five minutes."""
    reason = "the connection was closed: broken pipe"
    session.board.publish(replace(recorded_snapshot(Link.LOST, reason), read_at=READ_AT - 300))


def loading(session: RecordedSession) -> None:
    """Nothing was read yet."""
    session.board.publish(HostSnapshot("gpu01", Link.CONNECTING))


def over_budget(session: RecordedSession) -> None:
    """A draft that its GPU has no memory for."""
    session.stage(SetArgument("devstral-small", "gpu-memory-utilization", 0.75))


def down(session: RecordedSession) -> None:
    """A model failed."""
    session.board.publish(failed(recorded_snapshot(), "devstral-small"))


STATES: Mapping[str, Callable[[RecordedSession], None]] = {
    "live": lambda session: None,
    "loading": loading,
    "stale": stale,
    "lost": lost,
    "over-budget": over_budget,
    "failed": down,
}

SHOWN_IN_EVERY_STATE = ("deck", "findings", "detail")
VIEWS = [
    *((screen, "live") for screen in SCREENS),
    *((screen, state) for screen in SHOWN_IN_EVERY_STATE for state in STATES if state != "live"),
]
