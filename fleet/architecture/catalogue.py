"""The catalogue of architectures: the built-in one, read on the first look-up, and those an operator adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fleet.architecture.architecture import Architecture
from fleet.architecture.config import from_config
from fleet.architecture.quantization import from_words
from fleet.errors import UsageError

_FILE = Path(__file__).with_name("catalogue.yaml")

Entries = Mapping[str, Mapping[str, Any]]


class Catalogue:
    """Architectures by name. An added entry lies over the built-in one of the same name, field by field.

    Args:
        added: entries by Hugging Face id, with the field names of its ``config.json``; ``base`` names an entry whose
            fields hold where this one is silent, and ``__aliases__`` maps other names to those ids.

    Raises UsageError where an entry is not a mapping of fields.
    """

    def __init__(self, added: Mapping[str, Any] | None = None) -> None:
        given = dict(added or {})
        self._aliases: Mapping[str, str] = given.pop("__aliases__", None) or {}
        for name, entry in given.items():
            if not isinstance(entry, Mapping):
                raise UsageError(f"The architecture {name} is not a mapping of fields.")
        self._added: Entries = given
        self._found: dict[str, Architecture | None] = {}

    def find(self, source: str) -> Architecture | None:
        """The architecture of a Hugging Face id or a file name (folders before it ignored); None if not known.

        Raises UsageError, naming the field, where an entry lacks one that decides memory.
        """
        if source not in self._found:
            name = next((name for name in self._names_of(source) if name in self._added or name in _built_in()), None)
            self._found[source] = from_config(source, self._fields(name, frozenset())) if name else None
        return self._found[source]

    def _names_of(self, source: str) -> tuple[str, ...]:
        aliases = {**(_built_in().get("__aliases__") or {}), **self._aliases}
        return source, str(aliases.get(source, "")), source.partition(" (")[0], source.rpartition("/")[2]

    def _fields(self, name: str, seen: frozenset[str]) -> dict[str, Any]:
        """An entry over the built-in one of its name, where null says nothing, and over its base, where it does."""
        if name in seen:
            raise UsageError(f"The architecture {name} is its own base.")
        added = self._added.get(name, {})
        own = {**added, **_over(_built_in().get(name, {}), _given(added))}
        base = own.pop("base", None)
        if not isinstance(base, str) or (base not in self._added and base not in _built_in()):
            return own
        inherited = self._fields(base, seen | {name})
        if "quant_facts" in own or from_words(base.rpartition("/")[2]):
            inherited.pop("quantization_config", None)  # a base named after its quantisation lends only its shape
            inherited.pop("quant_facts", None)
        return {**inherited, **own}


@cache
def built_in() -> Catalogue:
    """The catalogue that comes with the program."""
    return Catalogue()


def find(source: str) -> Architecture | None:
    """The built-in architecture of a Hugging Face id or a GGUF file name; None if not known."""
    return built_in().find(source)


def names() -> tuple[str, ...]:
    """Every built-in entry's key, in the catalogue's order."""
    return tuple(name for name in _built_in() if not name.startswith("__"))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One entry over another, mappings inside them field by field too."""
    both = {
        key for key in above.keys() & below.keys() if all(isinstance(each[key], Mapping) for each in (below, above))
    }
    return {**below, **above, **{key: {**below[key], **above[key]} for key in both}}


def _given(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}


@cache
def _built_in() -> Entries:
    import yaml  # here and not above: most commands that import this package never look anything up

    with _FILE.open("rb") as file:
        entries: dict[str, dict[str, Any]] = yaml.load(file, Loader=yaml.CSafeLoader)
    return entries
