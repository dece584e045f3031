"""Which fleet file is meant, and where a fleet's own records are kept."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.inventory import Inventory


def add_fleet_options(parser: argparse.ArgumentParser, *, positional: bool = True) -> None:
    """Let a command take a fleet file, as its word or by ``--fleet``."""
    if positional:
        parser.add_argument("fleet_word", nargs="?", metavar="FLEET", help="a fleet file")
    parser.add_argument("--fleet", metavar="FILE", help="a fleet file")


def choose_fleet(options: argparse.Namespace) -> Inventory:
    """The fleet the options mean. Raises UsageError where there is none, FleetFileError where it is bad."""
    from fleet.inventory.loading import load

    return load(fleet_file(options))


def fleet_file(options: argparse.Namespace) -> Path:
    """The fleet file the options mean, whether it exists or not. Raises UsageError where they mean none."""
    from fleet.inventory.reading import find_fleet_file

    named = options.fleet or getattr(options, "fleet_word", None)
    path = find_fleet_file(named, os.environ, Path.cwd(), config_folder())
    if path is None:
        raise UsageError(
            "There is no fleet file: none was named, $GPUDECK_FLEET is not set, and there is no fleet.yaml here or in "
            f"{config_folder()}.",
            "Try `gpudeck demo` for a simulated fleet, or name a file: `gpudeck FLEET`.",
        )
    return path


def at_a_glance(path: Path, text: str | None = None) -> tuple[Inventory, Callable[[], Inventory]]:
    """What a fleet file names, enough for a first picture, and how it is read whole after it. Raises FleetFileError.

    ``text`` is that of a file which is yet to be written.
    """
    from fleet.inventory.outline import outline

    def whole() -> Inventory:
        from fleet.inventory.loading import load, load_text

        return load(path) if text is None else load_text(text, path)

    return outline(path, text) or whole(), whole


def config_folder() -> Path:
    """The user's configuration folder."""
    from platformdirs import user_config_path

    return user_config_path("gpudeck", appauthor=False)


def state_folder() -> Path:
    """The user's state folder: journals, histories and drafts."""
    from platformdirs import user_state_path

    return user_state_path("gpudeck", appauthor=False)


def journal_path(inventory: Inventory, folder: Path) -> Path:
    """The journal of the fleet of that file, in that folder."""
    return folder / f"{_stem(inventory)}.journal"


def history_path(inventory: Inventory, folder: Path) -> Path:
    """What was read from the fleet of that file, in that folder."""
    return folder / f"{_stem(inventory)}.history"


def acknowledgements_path(inventory: Inventory, folder: Path) -> Path:
    """Which alerts of the fleet of that file are acknowledged, in that folder."""
    return folder / f"{_stem(inventory)}.acknowledged"


def alerts_lock_path(inventory: Inventory, folder: Path) -> Path:
    """What the one process that tells others of the alerts of the fleet of that file holds, in that folder."""
    return folder / f"{_stem(inventory)}.alerts-lock"


def draft_path(inventory: Inventory, folder: Path) -> Path:
    """The draft over the fleet of that file, in that folder."""
    return folder / f"{_stem(inventory)}.draft"


def autopilot_stem(inventory: Inventory, folder: Path) -> Path:
    """What the names of the autopilot's files of the fleet of that file begin with, in that folder."""
    return folder / _stem(inventory)


def _stem(inventory: Inventory) -> str:
    import hashlib  # a cryptographic library; nothing is kept before the first paint

    where = str(inventory.path.resolve()) if inventory.path else inventory.fleet
    return f"{inventory.fleet}-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
