"""What is wrong with a fleet file, every problem with its place in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fleet.errors import UsageError
from fleet.text import clean

_MOST_SHOWN = 200
"""Problems; the rest are counted."""


class Complaint(NamedTuple):
    """One thing that is wrong, by the keys that lead to it from the top of the file."""

    keys: tuple[str, ...]
    message: str
    of_key: bool = False
    """Whether the last key itself is meant, not its value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a fleet file."""

    path: Path
    line: int
    """From 1; 0 where the file as a whole is meant."""
    column: int
    """In characters, from 1; 0 where the file as a whole is meant."""
    message: str
    """One sentence, harmless on a screen whatever the file holds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", clean(self.message))

    @classmethod
    def at(cls, path: Path, text: str, offset: int, message: str) -> Problem:
        """The problem that stands at an offset of the file's text."""
        line_start = text.rfind("\n", 0, offset) + 1
        return cls(path, text.count("\n", 0, offset) + 1, offset - line_start + 1, message)

    def __str__(self) -> str:
        where = clean(str(self.path), 1000)
        if self.line:
            where = f"{where}:{self.line}:{self.column}"
        return f"{where}: {self.message}"


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The nearest of the known words as a question, or all of them."""
    from difflib import get_close_matches  # here, as most files have nothing wrong

    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."


class FleetFileError(UsageError):
    """A fleet file that cannot be used; shown as one ``file:line:column: sentence`` a line."""

    title = "Bad fleet file"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        """All of them, in the order of the file."""
        lines = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"… and {len(self.problems) - _MOST_SHOWN:,} more")
        super().__init__("\n".join(lines))
