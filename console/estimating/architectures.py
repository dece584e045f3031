"""Where an architecture is read from: a ``config.json``, a checkpoint's folder, the catalogue, a file of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import Catalogue, built_in, names
from fleet.architecture.checkpoint import read as read_checkpoint
from fleet.architecture.config import from_config
from fleet.errors import UsageError
from fleet.inventory import Host, Inventory
from fleet.text import clean
from fleet.units import MiB

_LARGEST_FILE = 16 * MiB
_MOST_PROBLEMS = 20
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
    """The architecture of a model folder or a GGUF file here, its headers read; None where the source is neither."""
    path = Path(source)
    is_folder = "/" in source and (path / "config.json").is_file()
    return read_checkpoint(path) if is_folder or (source.endswith(".gguf") and path.is_file()) else None


def remote_architecture(source: str, inventory: Inventory) -> Architecture | None:
    """The architecture of files on a host of the fleet, written ``gpu01:/models/llama``; None where it is none of its.

    Only headers are read. Raises UnreachableError, and UsageError where there is no model.
    """
    name, colon, path = source.partition(":")
    host = next((host for host in inventory.hosts if host.name == name), None)
    if host is None or not colon or not path.startswith("/"):
        return None
    return asyncio.run(_read_on(host, path, inventory))


async def _read_on(host: Host, path: str, inventory: Inventory) -> Architecture:
    from fleet.ssh.checkpoints import read_checkpoint as read_there
    from fleet.ssh.connection import HostConnection
    from fleet.ssh.probe_only import ProbeOnly

    probe = ProbeOnly(HostConnection(host.name, host.address, inventory.ssh_config))
    try:
        return await read_there(probe, path)
    finally:
        await probe.close()


def catalogue(file: str | None) -> Catalogue:
    """The built-in catalogue with what a file of architectures adds to it. Raises UsageError."""
    if file is None:
        return built_in()
    added = read_yaml(file)
    if not isinstance(added, dict):
        raise UsageError(f"{clean(file)} holds no architectures.", "Write each under its Hugging Face id.")
    return Catalogue(added)


def known_architecture(source: str, known: Catalogue) -> Architecture | None:
    """The architecture the catalogue has for a source, or for the only id that ends like it; None where neither."""
    found = known.find(source)
    last = source.rstrip("/").rpartition("/")[2].lower()
    alike = [name for name in names() if name.rpartition("/")[2].lower() == last]
    return found or (known.find(alike[0]) if len(alike) == 1 else None)


def read_yaml(file: str) -> object:
    """What a YAML file says, as plain values. Raises UsageError with the line and column of what is wrong."""
    from fleet.inventory.nodes import plain
    from fleet.inventory.reading import BYTE_ORDER_MARK, read

    path = Path(file)
    try:
        text = _content(path).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{clean(file)} is not UTF-8 text.") from None
    document = read(text.removeprefix(BYTE_ORDER_MARK), path)
    if document.problems or document.root is None:
        raise UsageError("\n".join(map(str, document.problems[:_MOST_PROBLEMS])))
    return plain(document.root)


def unknown(source: str, models: Iterable[str] = ()) -> UsageError:
    """The error for a model nobody knows, with names that come near: of the fleet's ``models``, and the catalogue's."""
    every = (*names(), *models)
    known = {name.lower().rpartition("/")[2]: name for name in every} | {name.lower(): name for name in every}
    near = get_close_matches(source.lower(), known, _GUESSES) or get_close_matches(
        source.lower().rpartition("/")[2], known, _GUESSES
    )
    guesses = " or ".join(dict.fromkeys(known[match] for match in near))
    return UsageError(
        f"The architecture of {clean(source, 100)!r} is not known.",
        f"{f'Did you mean {guesses}? ' if guesses else ''}Its config.json tells it: "
        f"gpudeck estimate --config config.json --gpu MI300X.",
    )


def _mapping(path: Path) -> dict[str, object]:
    content = _content(path)
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{clean(str(path))} is not JSON: {clean(str(error))}.") from None
    if not isinstance(config, dict):
        raise UsageError(f"{clean(str(path))} holds no mapping of fields, which a config.json is.")
    return config


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else "this cannot be the name of a file"
        raise UsageError(f"{clean(str(path))} cannot be read: {reason}.") from None
    if len(content) > _LARGEST_FILE:
        raise UsageError(f"{clean(str(path))} is larger than 16 MiB.")
    return content
