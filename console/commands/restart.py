"""Restart models: the same plan, the same gates as any other change."""

from __future__ import annotations

import argparse

from console.changing.applying import add_apply_options, apply_changes
from console.fleets import add_fleet_options, choose_fleet
from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Restart
from fleet.planning.cordons import gpus_named


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck restart``."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="M",
        help="models; of one with replicas all copies, NAME_2 the second alone",
    )
    parser.add_argument(
        "--on", action="append", default=[], metavar="HOST/GPU", help="all models of a GPU, or of a HOST"
    )
    parser.add_argument("--role", action="append", default=[], metavar="ROLE", help="all models of a role")
    add_fleet_options(parser, positional=False)
    add_apply_options(parser)


def run(options: argparse.Namespace) -> int:
    """Plan, ask, restart one after the other."""
    inventory = choose_fleet(options)
    names = [name for entry in options.models for name in _named(inventory, entry)] + _also(inventory, options)
    if not names:
        raise UsageError("There is nothing to restart.", "Name models, --on HOST/GPU, --on HOST or --role ROLE.")
    return apply_changes(inventory, tuple(Restart(name) for name in dict.fromkeys(names)), options)


def _named(inventory: Inventory, name: str) -> list[str]:
    """The model, or all enabled copies of an entry that has several. Raises UsageError where none is enabled."""
    found = [model.name for model in inventory.placed if name in (model.replica_of, model.name)]
    if not found:
        known = ", ".join(sorted(model.name for model in inventory.placed))
        raise UsageError(f"There is no enabled model {name!r} in this fleet.", f"It has {known}.")
    return found


def _also(inventory: Inventory, options: argparse.Namespace) -> list[str]:
    """The models meant by where they are and what they are for. Raises UsageError for a role nobody has."""
    gpus = {gpu for target in options.on for gpu in gpus_named(inventory, target)}
    names = [model.name for model in inventory.placed if model.place and gpus & set(model.place.gpu_ids)]
    for role in options.role:
        found = [model.name for model in inventory.placed if model.role == role]
        if not found:
            raise UsageError(f"No enabled model of this fleet has the role {role!r}.")
        names += found
    return names
