"""Carry a change out: planned, asked, one step at a time, rolled back where a start fails."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.changing.applying import add_apply_options, apply_changes, apply_plan_file, remove_overlays
from console.changing.drafting import add_change_options, read_changes
from console.changing.rebalancing import add_rebalance_options, read_evacuated, wants_rebalancing
from console.fleets import add_fleet_options, choose_fleet
from fleet.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck apply``."""
    add_fleet_options(parser)
    add_change_options(parser)
    add_rebalance_options(parser)
    add_apply_options(parser)
    parser.add_argument("--plan", type=Path, metavar="FILE", help="carry out a plan made by `gpudeck plan --json`")
    parser.add_argument("--resume", action="store_true", help="carry on an unfinished rollout")
    parser.add_argument("--rollback", action="store_true", help="undo an unfinished rollout")
    parser.add_argument("--accept", action="store_true", help="end an unfinished rollout and leave all as it stands")
    parser.add_argument(
        "--remove-overlays",
        action="store_true",
        help="have every model run as the operator's own files say, and leave nothing of gpudeck's on the hosts",
    )


def run(options: argparse.Namespace) -> int:
    """Plan, ask, do."""
    inventory = choose_fleet(options)
    ways = [way for way in ("resume", "rollback", "accept") if getattr(options, way)]
    if len(ways) > 1:
        raise UsageError(f"--{' and --'.join(ways)} do not go together.")
    if ways:
        from console.changing.resuming import end_unfinished

        return end_unfinished(inventory, ways[0], options)
    changes = read_changes(options, inventory)
    if options.remove_overlays:
        if changes or options.plan is not None or wants_rebalancing(options):
            raise UsageError("--remove-overlays goes with no other change.")
        return remove_overlays(inventory, options)
    read_evacuated(options, inventory)
    if options.plan is not None:
        if changes or wants_rebalancing(options):
            raise UsageError("--plan FILE and changes do not go together.")
        return apply_plan_file(inventory, options.plan, options)
    if not changes and not wants_rebalancing(options):
        raise UsageError(
            "There is nothing to apply.", "Name a change: --move, --set, --enable or --disable; or --rebalance."
        )
    return apply_changes(inventory, changes, options)
