"""What the autopilot has done, which bounds what it may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

_HOUR = 3600.0
_KEPT = 30 * 24 * _HOUR
_LONGEST_REST = 24 * _HOUR


class Ended(StrEnum):
    """What became of an act that was tried."""

    DONE = "done"
    FAILED = "failed"
    """It was begun, and what it had changed is taken back as far as that went."""
    DECLINED = "declined"
    """It was not begun."""
    INTERRUPTED = "interrupted"
    """It was begun, and nobody has written down its end."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One act that was tried."""

    at: float
    """Unix seconds."""
    subject: str
    models: tuple[str, ...]
    """Those it starts or stops."""
    ended: Ended
    sentence: str
    """What and why."""
    because: str = ""
    """Why it ended otherwise than well."""


class Acts:
    """All it tried that still counts."""

    def __init__(self, tried: Iterable[Attempt] = ()) -> None:
        """With what is known from before."""
        self._tried = list(tried)

    @property
    def tried(self) -> tuple[Attempt, ...]:
        """The oldest first."""
        return tuple(self._tried)

    def add(self, new: Attempt, instead_of: Attempt | None = None) -> None:
        """One more, or how one that was begun has ended; of a subject only the newest that was declined is kept."""
        outlived = {(Ended.DECLINED, new.subject)} if new.ended is Ended.DECLINED else set()
        kept = (each for each in self._tried if new.at - each.at < _KEPT and each != instead_of)
        self._tried = [each for each in kept if (each.ended, each.subject) not in outlived] + [new]

    def in_last_hour(self, at: float) -> int:
        """Starts and stops in the hour before that time."""
        begun = (each for each in self._tried if each.ended is not Ended.DECLINED)
        return sum(len(each.models) for each in begun if at - each.at < _HOUR)

    def rests_until(self, subject: str, settle_seconds: float) -> float:
        """When something may be tried again about that role or model: twice as late for each failure in a row."""
        of_it = [each for each in self._tried if subject == each.subject or subject in each.models]
        if not of_it:
            return 0.0
        failures = next((n for n, each in enumerate(reversed(of_it)) if each.ended is not Ended.FAILED), len(of_it))
        return of_it[-1].at + min(settle_seconds * 2.0**failures, max(settle_seconds, _LONGEST_REST))

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it."""
        return [asdict(each) for each in self._tried]

    @classmethod
    def of(cls, document: object) -> Acts:
        """From such a document; what is none of ours does not count."""
        entries = document if isinstance(document, list) else []
        found = []
        for entry in entries:
            try:
                found.append(
                    Attempt(
                        float(entry["at"]),
                        str(entry["subject"]),
                        tuple(map(str, entry["models"])),
                        Ended(entry["ended"]),
                        str(entry["sentence"]),
                        str(entry["because"]),
                    )
                )
            except (TypeError, KeyError, ValueError, OverflowError):
                continue
        return cls(found)
