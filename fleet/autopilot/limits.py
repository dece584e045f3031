"""What the autopilot has done, which bounds what it may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

_HOUR = 3600.0
_KEPT = 30 * 24 * _HOUR
_LONGEST_REST = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Done:
    """One act, well or not."""

    at: float
    """Unix seconds."""
    subject: str
    models: tuple[str, ...]
    """Those started or stopped."""
    well: bool
    sentence: str


class Acts:
    """All it did that still counts."""

    def __init__(self, done: Iterable[Done] = ()) -> None:
        """With what is known from before."""
        self._done = list(done)

    @property
    def done(self) -> tuple[Done, ...]:
        """The oldest first."""
        return tuple(self._done)

    def add(self, act: Done) -> None:
        """One more."""
        self._done = [each for each in self._done if act.at - each.at < _KEPT] + [act]

    def in_last_hour(self, at: float) -> int:
        """Starts and stops in the hour before that time."""
        return sum(len(each.models) for each in self._done if at - each.at < _HOUR)

    def rests_until(self, subject: str, settle_seconds: float) -> float:
        """When something may be done again about that role or model: twice as late for each failure in a row."""
        of_it = [each for each in self._done if subject == each.subject or subject in each.models]
        if not of_it:
            return 0.0
        failures = next((n for n, each in enumerate(reversed(of_it)) if each.well), len(of_it))
        return of_it[-1].at + min(settle_seconds * 2.0**failures, max(settle_seconds, _LONGEST_REST))

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it."""
        return [asdict(each) for each in self._done]

    @classmethod
    def of(cls, document: object) -> Acts:
        """From such a document; what is none of ours does not count."""
        entries = document if isinstance(document, list) else []
        found = []
        for entry in entries:
            try:
                found.append(
                    Done(
                        float(entry["at"]),
                        str(entry["subject"]),
                        tuple(map(str, entry["models"])),
                        entry["well"] is True,
                        str(entry["sentence"]),
                    )
                )
            except (TypeError, KeyError, ValueError, OverflowError):
                continue
        return cls(found)
