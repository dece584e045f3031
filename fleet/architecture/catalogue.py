"""The built-in catalogue of architectures, read on the first look-up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fleet.architecture.architecture import Architecture
from fleet.architecture.config import from_config

_FILE = Path(__file__).with_name("catalogue.yaml")


@cache
def find(source: str) -> Architecture | None:
    """The architecture of a Hugging Face id or a GGUF file name (folders before it ignored); None if not known."""
    entries = _entries()
    name = source if source in entries else source.rpartition("/")[2]
    return from_config(name, _resolved(entries, name)) if name in entries else None


def names() -> tuple[str, ...]:
    """Every entry's key, in the catalogue's order."""
    return tuple(_entries())


@cache
def _entries() -> Mapping[str, dict[str, Any]]:
    import yaml  # here and not above: most commands that import this package never look anything up

    with _FILE.open("rb") as file:
        entries: dict[str, dict[str, Any]] = yaml.load(file, Loader=yaml.CSafeLoader)
    return entries


def _resolved(entries: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """An entry over the one it names as its ``base``, which may have a base itself."""
    entry = entries[name]
    base = entry.get("base")
    return {**_resolved(entries, base), **entry} if base else entry
