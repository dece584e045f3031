"""Restart models: the same plan, the same gates as any other change."""

from __future__ import annotations

import argparse

from console.applying import add_apply_options, apply_changes
from console.fleets import add_fleet_options, choose_fleet
from fleet.errors import UsageError
from fleet.inventory.changes import Restart


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck restart``."""
    parser.add_argument("models", nargs="+", metavar="M", help="models of the fleet")
    add_fleet_options(parser, positional=False)
    add_apply_options(parser)


def run(options: argparse.Namespace) -> int:
    """Plan, ask, restart one after the other."""
    inventory = choose_fleet(options)
    known = {model.name for model in inventory.placed}
    for name in options.models:
        if name not in known:
            raise UsageError(
                f"There is no enabled model {name!r} in this fleet.", f"It has {', '.join(sorted(known))}."
            )
    return apply_changes(inventory, tuple(Restart(name) for name in options.models), options)
