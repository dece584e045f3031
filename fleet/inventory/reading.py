"""Which file is the fleet's, its bytes into text, and text into a tree of YAML values with their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from fleet.inventory.composing import Composer, UnreadableError
from fleet.inventory.nodes import Node
from fleet.inventory.problems import FleetFileError, Problem
from fleet.inventory.scalars import unprintable
from fleet.inventory.syntax import syntax_problem
from fleet.units import MiB

LARGEST_FILE = 1 * MiB
BYTE_ORDER_MARK = "\ufeff"
"""What some editors put before the text."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text read as YAML: what could be read, and what was wrong with it."""

    root: Node | None
    """None where it cannot be read as YAML at all."""
    problems: tuple[Problem, ...]


def find_fleet_file(
    argument: str | None, environment: Mapping[str, str], cwd: Path, config_folder: Path
) -> Path | None:
    """The fleet file to use: the argument, ``$GPUDECK_FLEET``, ``fleet.yaml`` here, the user's own, or None.

    A file that is named is given back whether it exists or not: `load` says what is wrong with it.
    """
    named = argument or environment.get("GPUDECK_FLEET")
    if named:
        return Path(named)
    found = (folder / "fleet.yaml" for folder in (cwd, config_folder) if (folder / "fleet.yaml").is_file())
    return next(found, None)


def read_text(path: Path) -> str:
    """The text of a file, exactly as it stands there. Raises FleetFileError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _whole_file(path, _unreadable(path, error)) from error
    if len(content) > LARGEST_FILE:
        raise _whole_file(path, "the file is larger than 1 MiB, which no fleet file is.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        problem = Problem.at(path, before, len(before), "the file is not UTF-8 text from here on.")
        raise FleetFileError([problem]) from error


def read(text: str, path: Path) -> Document:
    """Read YAML into a tree. ``path`` is for the problems."""
    offset = unprintable(text)
    if offset is not None:
        message = f"the character U+{ord(text[offset]):04X} cannot stand in a YAML file; take it away."
        return Document(None, (Problem.at(path, text, offset, message),))
    composer = Composer(text, path)
    try:
        root = composer.document()
    except UnreadableError as error:
        return Document(None, (*composer.problems, error.problem))
    except yaml.MarkedYAMLError as error:
        return Document(None, (*composer.problems, syntax_problem(text, path, error)))
    return Document(root, tuple(composer.problems))


def _whole_file(path: Path, message: str) -> FleetFileError:
    return FleetFileError([Problem(path, 0, 0, message)])


def _unreadable(path: Path, error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file."
        case IsADirectoryError() if (path / "fleet.yaml").is_file():
            return f"this is a folder; name the file in it, {path / 'fleet.yaml'}."
        case IsADirectoryError():
            return "this is a folder, not a fleet file."
        case PermissionError():
            return "the file cannot be read: permission denied."
        case OSError(strerror=str(reason)):
            return f"the file cannot be read: {reason[:1].lower()}{reason[1:]}."
    return "this cannot be the name of a file."
