"""The settings file: read with every problem in its place, written with what it may hold, described by a schema."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from console.fleets import config_folder
from console.keys import KEYS, Where, key_name, keys
from console.settings import CHOICES, READ_ONLY, Settings
from fleet.inventory.nodes import Entry, MappingNode, Node, ScalarNode, dereferenced
from fleet.inventory.problems import FleetFileError, Problem, did_you_mean
from fleet.inventory.reading import BYTE_ORDER_MARK, read, read_text

FILE_NAME = "settings.yaml"
_NAMES = [*(choice.name for choice in CHOICES), "keys"]
_IDS = {key.id: key for key in KEYS}
_ASKS_TO_LOOK = re.compile(rf"""^mode:\s*["']?{READ_ONLY}\b""", re.MULTILINE)
"""In a text that may be no YAML."""


class SettingsFileError(FleetFileError):
    """A settings file that cannot be used; shown as one ``file:line:column: sentence`` a line."""

    title = "Bad settings file"

    def __init__(self, problems: Iterable[Problem], *, read_only: bool = False) -> None:
        super().__init__(problems)
        self.read_only = read_only
        """Whether it asks to be read-only, whatever is wrong with the rest of it."""


def settings_path(environment: Mapping[str, str], config_folder: Path) -> Path:
    """The settings file: ``$GPUDECK_SETTINGS``, or the one in the user's configuration folder."""
    named = environment.get("GPUDECK_SETTINGS")
    return Path(named) if named else config_folder / FILE_NAME


def load_settings(path: Path) -> Settings:
    """The settings in that file, the usual ones where there is none. Raises SettingsFileError with all its problems."""
    if not path.exists():
        return Settings()
    try:
        text = read_text(path)
    except FleetFileError as error:
        raise SettingsFileError(error.problems) from error
    return read_settings(text, path)


def own_settings() -> tuple[Settings, str]:
    """The user's settings; where their file is bad, the usual ones and what is wrong: nobody is kept out by a typo.

    Nor is a typo a way to more: what asks to be read-only is.
    """
    try:
        return load_settings(settings_path(os.environ, config_folder())), ""
    except SettingsFileError as error:
        first, *others = error.problems
        more = f" (and {len(others)} more: gpudeck config validate)" if others else ""
        usual = Settings(mode=READ_ONLY) if error.read_only else Settings()
        return usual, f"The usual settings hold: {first}{more}"


def read_settings(text: str, path: Path) -> Settings:
    """The settings in that text. Raises SettingsFileError with every problem it has."""
    document = read(text.removeprefix(BYTE_ORDER_MARK), path)
    root = dereferenced(document.root) if document.root is not None else None
    if root is None or _is_empty(root):
        entries: tuple[Entry, ...] = ()
        problems = list(document.problems)
    elif isinstance(root, MappingNode):
        entries = root.entries
        problems = [*document.problems, *_problems(entries, path)]
    else:
        entries = ()
        problems = [*document.problems, _at(root, path, f"settings are keys with values: {', '.join(_NAMES)}.")]
    if problems:
        raise SettingsFileError(problems, read_only=_ASKS_TO_LOOK.search(text) is not None)
    found: dict[str, Any] = {entry.key.text: dereferenced(entry.value) for entry in entries}
    words = {choice.name: found[choice.name].text for choice in CHOICES if choice.name in found}
    own = found.get("keys")
    changed = {entry.key.text: _key_list(entry.value) for entry in own.entries} if isinstance(own, MappingNode) else {}
    return Settings(**words, keys=MappingProxyType({id_: ",".join(names) for id_, names in changed.items()}))


def _problems(entries: tuple[Entry, ...], path: Path) -> Iterator[Problem]:
    choices = {choice.name: choice for choice in CHOICES}
    for entry in entries:
        name, value = entry.key.text, dereferenced(entry.value)
        if name == "keys":
            yield from _key_problems(value, path)
        elif name not in choices:
            yield _at(entry.key, path, f"there is no setting {name!r}; {did_you_mean(name, _NAMES)}")
        elif not isinstance(value, ScalarNode) or value.text not in choices[name].words:
            given = f", not {value.text!r}" if isinstance(value, ScalarNode) and value.text else ""
            yield _at(value, path, f"{name} must be one of {', '.join(choices[name].words)}{given}.")


def _key_problems(node: Node, path: Path) -> Iterator[Problem]:
    if _is_empty(node):
        return
    if not isinstance(node, MappingNode):
        yield _at(node, path, "keys must be a mapping of bindings to keys, such as deck.carry: m.")
        return
    places: dict[str, Node] = {}
    changed: dict[str, str] = {}
    for entry in node.entries:
        id_ = entry.key.text
        if id_ not in _IDS:
            yield _at(entry.key, path, f"there is no binding {id_!r}; {did_you_mean(id_, _IDS)}")
            continue
        value = dereferenced(entry.value)
        wrong = _wrong_keys(value)
        if wrong:
            yield _at(value, path, f"{id_} {wrong}")
            continue
        places[id_], changed[id_] = value, ",".join(_key_list(value))
    yield from _clashes(changed, places, path)


def _wrong_keys(node: Node) -> str:
    if not isinstance(node, ScalarNode) or not node.text.strip():
        return "must be a key, or several with commas between them, such as m or ctrl+p,f2."
    unknown = [name for name in _names(node) if key_name(name) is None]
    if unknown:
        return f"has the key {unknown[0]!r}, which no keyboard sends; write a character or a name such as f2 or ctrl+p."
    return ""


def _names(node: ScalarNode) -> list[str]:
    text = node.text.strip()
    return [text] if text == "," else [name.strip() for name in text.split(",")]


def _key_list(node: Node) -> list[str]:
    value = dereferenced(node)
    assert isinstance(value, ScalarNode)
    return [key_name(name) or name for name in _names(value)]


def _clashes(changed: Mapping[str, str], places: Mapping[str, Node], path: Path) -> Iterator[Problem]:
    """Two meanings of one key in one place, told at the binding that the file changes."""
    for where in Where:
        taken: dict[str, str] = {}
        for key in sorted(keys(where, changed=changed), key=lambda key: key.id in changed):
            for name in key.keys.split(","):
                if name in taken:
                    message = f"{key.id} takes the key {name}, which {taken[name]} has."
                    yield _at(places[key.id], path, message)
                taken[name] = key.id


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value is None


def _at(node: Node, path: Path, message: str) -> Problem:
    return Problem(path, node.span.line, node.span.column, message)


def schema() -> dict[str, Any]:
    """The file's shape as a JSON schema."""
    properties: dict[str, Any] = {
        choice.name: {"enum": list(choice.words), "default": choice.words[0], "description": choice.help}
        for choice in CHOICES
    }
    properties["keys"] = {
        "type": "object",
        "description": "Other keys for bindings, each under its id; several with commas between them.",
        "additionalProperties": False,
        "properties": {
            key.id: {"type": "string", "default": key.keys, "description": f"{key.label}: {key.help}"} for key in KEYS
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of gpudeck",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def settings_text(settings: Settings, *, commented: bool = False) -> str:
    """A settings file with every setting; ``commented``, where each line is to be taken in by whoever wants it."""
    mark = "# " if commented else ""
    lines = ["# Settings of gpudeck. `gpudeck config validate` checks this file, `gpudeck config schema` describes it."]
    for choice in CHOICES:
        lines += ["", f"# {choice.help}", f"# One of {', '.join(choice.words)}."]
        lines.append(f"{mark}{choice.name}: {getattr(settings, choice.name)}")
    lines += ["", "# Keys by the ids of what they do; several with commas between them.", f"{mark}keys:"]
    width = max(len(key.id) + len(key.keys) for key in KEYS) + 6
    for where in Where:
        for key in keys(where, changed=settings.keys):
            line = f'{mark}  {key.id}: "{key.keys}"'
            lines.append(f"{line:<{width}}  # {key.help}")
    return "\n".join(lines) + "\n"
