"""What all simulated commands have in common: who runs them, where output goes, how options are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fleet.simulator.running import RunningMachine

STDOUT, STDERR = 1, 2
_SUFFIXES = (".service", ".socket", ".target", ".timer", ".slice", ".scope", ".mount", ".path", ".device")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs a command on a host."""

    host: RunningMachine
    root: bool
    stdin: bytes
    write: Callable[[int, bytes], None]
    """Takes `STDOUT` or `STDERR`, and bytes."""

    def out(self, text: str) -> None:
        """A line to standard output."""
        self.write(STDOUT, f"{text}\n".encode())

    def err(self, text: str) -> None:
        """A line to standard error."""
        self.write(STDERR, f"{text}\n".encode())


class Options(NamedTuple):
    """A command line taken apart."""

    given: tuple[tuple[str, str], ...]
    """(option without dashes, value or nothing), in order."""
    words: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Whether one of these was given."""
        return any(name in names for name, _ in self.given)

    def values(self, *names: str) -> tuple[str, ...]:
        """The values given under these names."""
        return tuple(value for name, value in self.given if name in names)


class UnknownOptionError(Exception):
    """An option that the command does not have; the message is its name."""


def unit_named(word: str) -> str:
    """The unit a user means: a name without a unit's suffix is a service."""
    return word if word.endswith(_SUFFIXES) else f"{word}.service"


def options(argv: Sequence[str], with_value: Iterable[str], switches: Iterable[str]) -> Options:
    """Read ``-n 5``, ``-n5``, ``--lines 5``, ``--lines=5`` and switches; ``--`` ends the options.

    Raises UnknownOptionError.
    """
    valued, plain = frozenset(with_value), frozenset(switches)
    given: list[tuple[str, str]] = []
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--") and len(name) > 1:
            name, equals, value = name[0], "=", word[2:]
            if name in plain:
                rest.insert(0, f"-{value}")
                equals, value = "", ""
        if name in valued:
            given.append((name, value if equals else (rest.pop(0) if rest else "")))
        elif name in plain and not equals:
            given.append((name, ""))
        else:
            raise UnknownOptionError(word)
    return Options(tuple(given), tuple(words))
