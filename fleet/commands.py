"""What is asked of a host's shell, as data: words, never text. Quoting lives here and nowhere else."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments to run on a host, with what goes to its standard input."""

    words: tuple[str, ...]
    stdin: bytes = b""

    def __post_init__(self) -> None:
        if not self.words or any("\0" in word for word in self.words):
            raise ValueError("a command needs words, and none may hold a NUL")

    @property
    def line(self) -> str:
        """The command as one shell line, every word quoted as POSIX sh wants it."""
        return shlex.join(self.words)

    @property
    def shown(self) -> str:
        """The command as an operator would type it, standard input as a here-document."""
        if not self.stdin:
            return self.line
        body = self.stdin.decode("utf-8", "replace").rstrip("\n")
        return f"{self.line} <<'EOF'\n{body}\nEOF"

    def as_root(self, become: str) -> Self:
        """The same command with the host's ``become`` in front: ``sudo`` or ``none``."""
        return self if become == "none" else replace(self, words=("sudo", "-n", "--", *self.words))


class Read(Command):
    """A command that changes nothing on the host."""


class Write(Command):
    """A command that changes the host; only an operator's connection takes one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed and how it ended."""

    exit_status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the command ended with status 0."""
        return self.exit_status == 0
