"""What a change would do: findings, steps in order, exact commands. Touches nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from console.changing import evacuation, patch_changes, plan_changes
from console.drafting import add_change_options, read_changes
from console.fleets import add_fleet_options, choose_fleet
from console.plan_text import plan_lines
from console.session import Session
from fleet.errors import Exit
from fleet.findings import Severity
from fleet.inventory.changes import Change
from fleet.planning.json import plan_json
from fleet.planning.plan import Plan


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck plan``."""
    add_fleet_options(parser)
    add_change_options(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON document")
    output.add_argument(
        "--format", choices=("patch",), help="patch: a diff of the files from which other tools make the services"
    )


def run(options: argparse.Namespace) -> int:
    """Read the hosts and print the plan; exit 1 where its findings hold an error."""
    inventory = choose_fleet(options)
    if options.format == "patch":
        return _print_patch(Session(inventory), read_changes(options, inventory), options.evacuate)
    plan = asyncio.run(_plan(Session(inventory), read_changes(options, inventory), options.evacuate))
    print(json.dumps(plan_json(plan), indent=2, ensure_ascii=False) if options.json else "\n".join(plan_lines(plan)))
    failed = any(finding.severity is Severity.ERROR for finding in plan.findings)
    return Exit.FINDINGS if failed else Exit.DONE


def _print_patch(session: Session, changes: tuple[Change, ...], evacuate: list[str]) -> int:
    patch, left = asyncio.run(_patch(session, changes, evacuate))
    print(patch, end="")
    for sentence in left:
        print(f"gpudeck: {sentence}", file=sys.stderr)
    return Exit.DONE


async def _patch(session: Session, changes: tuple[Change, ...], evacuate: list[str]) -> tuple[str, tuple[str, ...]]:
    async with session.watching():
        await session.first_readings()
        return await patch_changes(session, evacuation(session, changes, evacuate))


async def _plan(session: Session, changes: tuple[Change, ...], evacuate: list[str]) -> Plan:
    async with session.watching():
        await session.first_readings()
        return await plan_changes(session, evacuation(session, changes, evacuate))
