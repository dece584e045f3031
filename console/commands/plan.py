"""What a change would do: findings, steps in order, exact commands. Touches nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from console.changing.drafting import add_change_options, read_changes
from console.changing.plan_text import plan_lines
from console.changing.planning import patch_changes, plan_changes
from console.changing.rebalancing import (
    add_rebalance_options,
    proposal_json,
    proposal_lines,
    propose_as_asked,
    read_evacuated,
    wants_rebalancing,
)
from console.fleets import add_fleet_options, choose_fleet
from console.session import Session
from fleet.errors import Exit
from fleet.findings import Severity
from fleet.inventory.changes import Change
from fleet.planning.json import plan_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck plan``."""
    add_fleet_options(parser)
    add_change_options(parser)
    add_rebalance_options(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON document")
    output.add_argument(
        "--format", choices=("patch",), help="patch: a diff of the files from which other tools make the services"
    )


def run(options: argparse.Namespace) -> int:
    """Read the hosts and print the plan; exit 1 where its findings hold an error, or a model got no place."""
    inventory = choose_fleet(options)
    read_evacuated(options, inventory)
    return asyncio.run(_run(Session(inventory), read_changes(options, inventory), options))


async def _run(session: Session, changes: tuple[Change, ...], options: argparse.Namespace) -> int:
    async with session.watching():
        await session.first_readings()
        proposal = await propose_as_asked(session, changes, options) if wants_rebalancing(options) else None
        if proposal is not None:
            changes = proposal.changes
        if options.format == "patch":
            return _print_patch(*await patch_changes(session, changes))
        plan = await plan_changes(session, changes)
        if options.json:
            document = plan_json(plan) | ({"rebalance": proposal_json(proposal)} if proposal else {})
            print(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            print("\n".join([*(proposal_lines(proposal) if proposal else ()), *plan_lines(plan)]))
        failed = any(finding.severity is Severity.ERROR for finding in plan.findings)
        return Exit.FINDINGS if failed or (proposal and proposal.unplaced) else Exit.DONE


def _print_patch(patch: str, left: tuple[str, ...]) -> int:
    print(patch, end="")
    for sentence in left:
        print(f"gpudeck: {sentence}", file=sys.stderr)
    return Exit.DONE
