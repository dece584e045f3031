"""What is wrong with a set-up, from the terminal to the engines: one line for each thing that was looked at.

Nothing here changes a host, or could: only `fleet.ssh.probe_only` connections are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How one thing stands."""

    OK = "ok"
    WARN = "warn"
    """gpudeck works, with something missing or worse than it could be."""
    FAIL = "fail"
    """Something gpudeck is for does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    area: str
    """``terminal``, ``records``, ``fleet file``, or a host's name."""
    subject: str
    """A word or two: ``colours``, ``login``, ``sudo``."""
    grade: Grade
    message: str
    """One sentence: what was found."""
    way_out: str = ""
    """What to do about it; empty where there is nothing to do."""
