"""Where an architecture is read from: a ``config.json``, a checkpoint's folder, the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import Catalogue, names
from fleet.architecture.config import from_config
from fleet.errors import UsageError
from fleet.text import clean
from fleet.units import MiB

_LARGEST_CONFIG = 16 * MiB
_GUESSES = 3


def read_config(file: str, name: str | None = None) -> tuple[str, Architecture]:
    """A name and the architecture of a Hugging Face ``config.json``, or of the one in a folder. Raises UsageError.

    Where no name is given, what the config calls the model, else the name of the folder it is in.
    """
    path = Path(file)
    path = path / "config.json" if path.is_dir() else path
    config = _mapping(path)
    called = config.get("_name_or_path")
    found = name or (clean(called) if isinstance(called, str) else "") or path.resolve().parent.name
    return found, from_config(found, config)


def local_architecture(source: str) -> Architecture | None:
    """The architecture of a model whose name is a folder here that holds a ``config.json``; None where it is none."""
    path = Path(source)
    return read_config(source, source)[1] if "/" in source and (path / "config.json").is_file() else None


def known_architecture(source: str, catalogue: Catalogue) -> Architecture | None:
    """The architecture the catalogue has for a source, or for the only id that ends like it; None where neither."""
    found = catalogue.find(source)
    last = source.rstrip("/").rpartition("/")[2].lower()
    alike = [name for name in names() if name.rpartition("/")[2].lower() == last]
    return found or (catalogue.find(alike[0]) if len(alike) == 1 else None)


def unknown(source: str, models: Iterable[str] = ()) -> UsageError:
    """The error for a model nobody knows, with names that come near: of the fleet's ``models``, and the catalogue's."""
    every = (*names(), *models)
    known = {name.lower().rpartition("/")[2]: name for name in every} | {name.lower(): name for name in every}
    near = get_close_matches(source.lower(), known, _GUESSES) or get_close_matches(
        source.lower().rpartition("/")[2], known, _GUESSES
    )
    guesses = " or ".join(dict.fromkeys(known[match] for match in near))
    return UsageError(
        f"The architecture of {clean(source)!r} is not known.",
        f"{f'Did you mean {guesses}? ' if guesses else ''}Its config.json tells it: "
        f"gpudeck estimate --config config.json --gpu MI300X.",
    )


def _mapping(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_CONFIG + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else "this cannot be the name of a file"
        raise UsageError(f"{clean(str(path))} cannot be read: {reason}.") from None
    if len(content) > _LARGEST_CONFIG:
        raise UsageError(f"{clean(str(path))} is larger than 16 MiB, which no config.json is.")
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{clean(str(path))} is not JSON: {clean(str(error))}.") from None
    if not isinstance(config, dict):
        raise UsageError(f"{clean(str(path))} holds no mapping of fields, which a config.json is.")
    return config
