"""The newest lines of a log, numbered by their place in it, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

LINES = 5000
CHARACTERS = 2_000_000
"""What is kept at most."""


class Line(NamedTuple):
    """One line, made harmless."""

    text: str
    level: str = ""
    """``error``, ``warning`` or nothing."""
    remark: str = ""
    """What it means for the model's memory; empty where that needs no word."""


class KeptLines:
    """Lines with numbers that stay theirs while older lines go."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque()
        self._characters = 0
        self.first = 0
        """Number of the oldest line that is still there."""

    @property
    def end(self) -> int:
        """The number the next line will have."""
        return self.first + len(self._lines)

    def add(self, line: Line) -> None:
        """Keep one more, and let go of the oldest where they are too many."""
        self._lines.append(line)
        self._characters += len(line.text)
        while len(self._lines) > LINES or self._characters > CHARACTERS:
            self._characters -= len(self._lines.popleft().text)
            self.first += 1

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, number: int) -> Line:
        return self._lines[number - self.first]

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        return enumerate(self._lines, self.first)
