"""A service unit's files below a simulated root, put together as systemd does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.services.unit_syntax import Assignment, assignments, literal, words

FOLDER = "/etc/systemd/system"
_EXEC_PREFIX = re.compile(r"[-@:+!|]*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """A unit as its files say it is."""

    name: str
    texts: tuple[tuple[str, str], ...]
    """(path as the host knows it, text): the fragment, then its drop-ins in the order they apply."""
    description: str
    argv: tuple[str, ...]
    """Empty where the files do not name exactly one program."""
    environment: Mapping[str, str]

    @property
    def fragment(self) -> str:
        """The path of the unit's own file."""
        return self.texts[0][0]

    @property
    def drop_ins(self) -> tuple[str, ...]:
        """The paths of its drop-ins."""
        return tuple(path for path, _ in self.texts[1:])


def read_unit(root: Path, name: str) -> UnitFiles | None:
    """Read a unit's files; None where it has no file of its own."""
    texts = read_texts(root, name)
    if texts is None:
        return None
    settings = [assignment for _, text in texts for assignment in assignments(text)]
    environment = _environment(settings)
    commands = _values(settings, "Service", "ExecStart")
    descriptions = _values(settings, "Unit", "Description")
    return UnitFiles(
        name=name,
        texts=texts,
        description=descriptions[-1] if descriptions else name,
        argv=_argv(commands[0], name, environment) if len(commands) == 1 else (),
        environment=environment,
    )


def read_texts(root: Path, name: str) -> tuple[tuple[str, str], ...] | None:
    """The files of a unit as they stand now; None where it has no file of its own."""
    folder = root / FOLDER[1:]
    try:
        own = (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    drop_ins = sorted((folder / f"{name}.d").glob("*.conf"))
    return (
        (f"{FOLDER}/{name}", own),
        *((f"{FOLDER}/{name}.d/{path.name}", path.read_text("utf-8", "replace")) for path in drop_ins),
    )


def _values(settings: Iterable[Assignment], section: str, key: str) -> list[str]:
    """All values of a setting; an empty one takes back those before it."""
    found: list[str] = []
    for assignment in settings:
        if (assignment.section, assignment.key) == (section, key):
            found = [*found, assignment.value] if assignment.value else []
    return found


def _environment(settings: Sequence[Assignment]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in _values(settings, "Service", "Environment"):
        for pair in _split(value):
            name, equals, text = pair.partition("=")
            if equals:
                found[name] = text
    for value in _values(settings, "Service", "UnsetEnvironment"):
        for word in _split(value):
            name, equals, text = word.partition("=")
            if not equals or found.get(name) == text:
                found.pop(name, None)
    return found


def _argv(command: str, unit: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    prefix = _EXEC_PREFIX.match(command)
    found = _split(command[len(prefix[0]) if prefix else 0 :], keep_doubled=True)
    stem = unit.removesuffix(".service")
    expanded = (word.replace("%n", unit).replace("%N", stem) for word in found)
    filled = (_VARIABLE.sub(lambda match: environment.get(match[1], ""), word) for word in expanded)
    return tuple(literal(word, expands=True) for word in filled)


def _split(value: str, *, keep_doubled: bool = False) -> list[str]:
    """The words of a value; systemd passes over a value whose quotes do not close."""
    try:
        found = [word.text for word in words(value)]
    except ValueError:
        return []
    return found if keep_doubled else [literal(word, expands=False) for word in found]
