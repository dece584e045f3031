"""What is asked of a host's shell, as data: words, never text. Quoting lives here and nowhere else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from fleet.secrets import masked, masked_words

ROOT_HELPER = "/usr/local/sbin/gpudeck-root"
"""The program on a host with ``become: helper`` that checks what it is asked before it runs it as root."""
_BECOMES = {
    "none": (),
    "sudo": ("sudo", "-n", "--"),
    "helper": ("sudo", "-n", "--", ROOT_HELPER),
}
_FIELD = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9][A-Za-z0-9._-]*)\}")


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
    def shown_line(self) -> str:
        """The line as a screen, a log or a journal may have it: secrets masked. Never to be run."""
        return shlex.join(masked_words(self.words))

    @property
    def shown(self) -> str:
        """The command as an operator would type it, standard input as a here-document, secrets masked."""
        if not self.stdin:
            return self.shown_line
        body = masked(self.stdin.decode("utf-8", "replace").rstrip("\n"))
        return f"{self.shown_line} <<'EOF'\n{body}\nEOF"

    def as_root(self, become: str) -> Self:
        """The same command with the host's ``become`` in front: ``sudo``, ``helper`` or ``none``."""
        return replace(self, words=(*_BECOMES[become], *self.words))


@dataclass(frozen=True, slots=True)
class Template:
    """A command with named fields, ``restart-model {model} --gpus={gpus}``: split into words before they are filled in.

    So a value is never more than the word, or part of one, that it was written into, whatever it holds. There is no
    shell: a template that needs one says ``sh -c``. ``{{`` and ``}}`` are single braces. Raises ValueError where it is
    no command.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.text)
        except ValueError as error:
            raise ValueError(f"{self.text!r} is not a command: {str(error).lower()}") from None
        if not words or _FIELD.fullmatch(words[0]):
            raise ValueError(f"{self.text!r} is not a command; its first word is the program to run")
        if any(set("{}") & set(_FIELD.sub("", word)) for word in words):
            raise ValueError(f"{self.text!r} has a brace that is no field; write {{{{ or }}}} for a brace itself")

    @property
    def fields(self) -> frozenset[str]:
        """The names in it."""
        return frozenset(match[1] for match in _FIELD.finditer(self.text) if match[1])

    def filled(self, values: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Its words with these values. One that is a field alone becomes as many words as the value has.

        Raises KeyError with the name of a field that has no value.
        """
        result: list[str] = []
        for word in shlex.split(self.text):
            alone = _FIELD.fullmatch(word)
            if alone and alone[1]:
                result += values[alone[1]]
            else:
                result.append(_FIELD.sub(lambda match: " ".join(values[match[1]]) if match[1] else match[0][0], word))
        return tuple(result)


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


class Reader(Protocol):
    """Whoever runs commands on a host that change nothing there: `fleet.ssh.probe_only.ProbeOnly`."""

    async def read(self, command: Read, timeout: float = ...) -> Answer:
        """Run a command to its end, in so many seconds. Raises UnreachableError."""


class Writer(Reader, Protocol):
    """Whoever also runs commands that change it: `fleet.ssh.operator.Operator`."""

    async def write(self, command: Write, timeout: float = ...) -> Answer:
        """Run a command to its end. Raises UnreachableError where the line is lost: what it did is not known."""
