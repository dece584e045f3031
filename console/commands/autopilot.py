"""Load and unload models as the fleet file's `autopilot:` says: proposed, and with --act done.

It acts as an operator would: planned, checked, locked, gated, rolled back where it fails, inside the maintenance
windows, and never where an operator would have to agree by more than a yes.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.autopilot.records import Records
from console.fleets import add_fleet_options, autopilot_stem, choose_fleet, state_folder
from console.session import Session
from fleet.autopilot.proposing import Act, Proposal
from fleet.errors import Exit, GpudeckError, UsageError
from fleet.inventory import Inventory
from fleet.planning.json import change_json
from fleet.text import clean
from fleet.units import parse_duration

if TYPE_CHECKING:
    from console.autopilot.pilot import Pilot

SCHEMA = "gpudeck/autopilot/1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck autopilot``."""
    add_fleet_options(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--act", action="store_true", help="do what is proposed")
    what.add_argument("--once", action="store_true", help="look once, say what would be done, and end")
    what.add_argument("--done", action="store_true", help="what it did of late, and whether it is halted")
    what.add_argument(
        "--halt", nargs="?", const="", metavar="WHY", help="from now on it does nothing, wherever it runs as this user"
    )
    what.add_argument("--go", action="store_true", help="let it act again")
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")
    parser.add_argument(
        "--interval", default="15s", metavar="SPAN", help="how often it looks: 15s by default; 5s at least"
    )


def run(options: argparse.Namespace) -> int:
    """Fly, or turn the switch."""
    inventory = _with_autopilot(choose_fleet(options))
    records = Records(autopilot_stem(inventory, state_folder()))
    if options.halt is not None:
        records.halt(clean(getpass.getuser()), clean(options.halt))
        print("Halted: it proposes, and does nothing. `gpudeck autopilot --go` lets it act again.")
        return Exit.DONE
    if options.go:
        print("It may act again." if records.release() else "It was not halted.")
        return Exit.DONE
    if options.done:
        _print_done(records, options.json)
        return Exit.DONE
    try:
        interval = parse_duration(options.interval)
    except ValueError as error:
        raise UsageError(f"--interval: {error}.") from None
    if interval < 5:
        raise UsageError("--interval: what is looked at every 5 s or less only costs.", "Write 5s or more.")
    return asyncio.run(_fly(inventory, options, records, interval))


def _with_autopilot(inventory: Inventory) -> Inventory:
    if inventory.autopilot is None:
        raise UsageError(
            "The fleet file leaves nothing to the autopilot.",
            "Give it a section autopilot:, such as {roles: {chat: {least: 1, most: 3}}}.",
        )
    return inventory


async def _fly(inventory: Inventory, options: argparse.Namespace, records: Records, interval: float) -> int:
    """For ever, or once; begins anew with the fleet file when somebody else has changed that."""
    from console.autopilot.pilot import Pilot

    teller = _Teller(options.json)
    while True:
        session = Session(inventory)
        async with session.watching():
            await session.first_readings()
            pilot, written = Pilot(session, records), _version(inventory.path)
            while written == _version(inventory.path):
                await _round(pilot, records, teller, acts=options.act)
                if options.once:
                    return Exit.DONE
                if session.inventory is not inventory:
                    inventory, written = session.inventory, _version(inventory.path)
                await asyncio.sleep(interval)
        inventory = await _changed(options, inventory, teller, interval)


async def _round(pilot: Pilot, records: Records, teller: _Teller, *, acts: bool) -> None:
    """One look, and what follows from it."""
    proposal = pilot.look()
    halted = records.halted
    if acts and halted:
        teller.tell("halted", f"Halted by {halted}.")
    teller.propose(proposal)
    if proposal.act is None or not acts or halted:
        return
    from console.changing.applying import print_event  # and with it what can change a host

    teller.tell("acting", proposal.act.sentence, proposal.act)
    try:
        teller.tell("done", await pilot.act(proposal.act, print_event), proposal.act)
    except GpudeckError as error:
        teller.tell("failed", f"{error.title}: {error}", proposal.act)


async def _changed(options: argparse.Namespace, inventory: Inventory, teller: _Teller, interval: float) -> Inventory:
    """The fleet file as it is now; while it is wrong nothing is done."""
    while True:
        try:
            changed = _with_autopilot(choose_fleet(options))
        except GpudeckError as error:
            teller.tell("waiting", f"{error} Nothing is done until that is mended.")
            await asyncio.sleep(interval)
        else:
            teller.tell("fleet", f"{inventory.path} has changed.")
            return changed


def _version(path: Path | None) -> tuple[int, int]:
    """What is another when the file is."""
    try:
        status = path.stat() if path else None
    except OSError:
        status = None
    return (status.st_mtime_ns, status.st_size) if status else (0, 0)


class _Teller:
    """Says on standard output what is new."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._told: frozenset[str] = frozenset()

    def propose(self, proposal: Proposal) -> None:
        """Tell what was not proposed, or declined, at the last look."""
        act = proposal.act
        told = frozenset({*proposal.declined, *([f"{act.subject}: {act.changes}"] if act else [])})
        if act and f"{act.subject}: {act.changes}" not in self._told:
            self.tell("proposed", act.sentence, act)
        for subject, sentence in proposal.declined.items():
            if subject not in self._told:
                self.tell("declined", sentence)
        self._told = told

    def tell(self, event: str, sentence: str, act: Act | None = None) -> None:
        """One line."""
        now = datetime.now(UTC)
        if not self._as_json:
            print(f"{now.astimezone():%H:%M:%S}  {event:<8}  {sentence}", flush=True)
            return
        document: dict[str, Any] = {"schema": SCHEMA, "at": now.isoformat(timespec="seconds"), "event": event}
        document |= {"sentence": sentence, "subject": act.subject if act else None}
        document["changes"] = [change_json(change) for change in act.changes] if act else []
        print(json.dumps(document, ensure_ascii=False), flush=True)


def _print_done(records: Records, as_json: bool) -> None:
    acts, halted = records.acts().done, records.halted
    if as_json:
        document = {"schema": "gpudeck/autopilot-acts/1", "halted": halted or None, "acts": records.acts().document()}
        print(json.dumps(document, ensure_ascii=False))
        return
    for act in acts:
        when = datetime.fromtimestamp(act.at).astimezone()
        print(f"{when:%Y-%m-%d %H:%M}  {'done' if act.well else 'failed':<8}  {act.sentence}")
    print(f"Halted by {halted}." if halted else f"{len(acts)} acts in the last 30 days; it may act.")
