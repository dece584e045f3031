"""Who changed what and when, newest last: what this machine's journal knows, or what a host's own log says."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import datetime
from typing import Any

from console.changing.carrying_out import open_journal
from console.fleets import add_fleet_options, choose_fleet
from console.options import count
from console.session import Session
from fleet.errors import Exit, GpudeckError, UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import assignments
from fleet.rollout.audit import host_log
from fleet.rollout.journal import Past
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.text import clean, clean_lines

_SCHEMA = "gpudeck/audit/1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck audit``."""
    add_fleet_options(parser)
    parser.add_argument("-n", "--last", type=count, default=20, metavar="N", help="how many rollouts; 20 by default")
    parser.add_argument("--model", metavar="M", help="only rollouts that touched this model")
    parser.add_argument("--host", metavar="HOST", help="what this host's own log says, whoever changed it from where")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(options: argparse.Namespace) -> int:
    """Print them."""
    inventory = choose_fleet(options)
    if options.host:
        return asyncio.run(_print_host_log(inventory, options))
    journal = open_journal(Session(inventory))
    try:
        past = journal.rollouts(options.last, options.model)
    finally:
        journal.close()
    if options.json:
        document = {"schema": _SCHEMA, "fleet": inventory.fleet, "rollouts": [_json(each) for each in past]}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print("\n".join(line for each in past for line in _lines(each)) or "No rollout is in this machine's journal.")
    return Exit.DONE


async def _print_host_log(inventory: Inventory, options: argparse.Namespace) -> int:
    name = options.host
    try:
        host = inventory.host(name)
    except KeyError:
        names = ", ".join(host.name for host in inventory.hosts)
        raise UsageError(f"There is no host {clean(name)!r} in this fleet.", f"It has {names}.") from None
    probe = ProbeOnly(HostConnection(host.name, host.address, inventory.ssh_config))
    try:
        command = host_log(options.last)
        answer = await probe.read(command)
        if not answer.stdout.strip():
            answer = await probe.read(command.as_root(host.become))
    finally:
        await probe.close()
    if not answer.ok:
        raise GpudeckError(f"The log of {host.name} cannot be read: {clean(answer.stderr)}.")
    lines = clean_lines(answer.stdout, limit=1000)
    if options.json:
        document = {"schema": _SCHEMA, "fleet": inventory.fleet, "host": host.name, "lines": list(lines)}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines) or f"{host.name} knows of no change by gpudeck.")
    return Exit.DONE


def _lines(past: Past) -> list[str]:
    when = datetime.fromtimestamp(past.begun).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    changes = ", ".join(f"{name}={value}" for name, value in assignments(past.plan.changes).items())
    lines = [f"{when}  {past.operator}  {past.outcome or 'not finished'}  {changes or 'restarts'}  ({past.token})"]
    lines += [
        f"    {touch.phase:<8} {touch.action:<6} {touch.model} on {touch.host}: {touch.outcome or 'not known'}"
        for touch in past.touches
    ]
    if past.plan.reason:
        lines.insert(1, f"    {past.plan.reason}")
    return [*lines, *([f"    {past.message}"] if past.message else [])]


def _json(past: Past) -> dict[str, Any]:
    return {
        "token": past.token,
        "begun": past.begun,
        "ended": past.ended,
        "operator": past.operator,
        "outcome": past.outcome,
        "message": past.message,
        "reason": past.plan.reason or None,
        "world": past.plan.world,
        "changes": dict(assignments(past.plan.changes)),
        "steps": [
            {
                "phase": str(touch.phase),
                "n": touch.n,
                "action": touch.action,
                "model": touch.model,
                "host": touch.host,
                "outcome": touch.outcome,
                "message": touch.message,
            }
            for touch in past.touches
        ],
    }
