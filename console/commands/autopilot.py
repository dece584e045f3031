"""Load and unload models as the fleet file's `autopilot:` says: proposed, and with --act done.

It acts as an operator would: planned, checked, locked, gated, rolled back where it fails, inside the maintenance
windows, and never where an operator would have to agree by more than a yes.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import signal
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.autopilot.records import Records
from console.fleets import add_fleet_options, autopilot_stem, choose_fleet, state_folder
from console.session import Session
from fleet.autopilot.proposing import Act, Proposal
from fleet.errors import Exit, GpudeckError, UnreachableError, UsageError
from fleet.inventory import Inventory
from fleet.planning.json import change_json
from fleet.text import clean
from fleet.units import parse_duration

if TYPE_CHECKING:
    from console.autopilot.pilot import Pilot
    from console.operating import Operating

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
        "--interval", default="15s", metavar="SPAN", help="how often it looks: 15s by default; 1s at least"
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
    if interval < 1:
        raise UsageError("--interval: hosts are read once a second.", "Write 1s or more.")
    try:
        return asyncio.run(_until_terminated(_fly(inventory, options, records, interval)))
    except asyncio.CancelledError:
        return Exit.INTERRUPTED


def _with_autopilot(inventory: Inventory) -> Inventory:
    if inventory.autopilot is None:
        raise UsageError(
            "The fleet file leaves nothing to the autopilot.",
            "Give it a section autopilot:, such as {roles: {chat: {least: 1, most: 3}}}.",
        )
    return inventory


async def _until_terminated(flight: Coroutine[Any, Any, int]) -> int:
    """SIGTERM, by which a service is ended, is taken like Ctrl-C."""
    flying = asyncio.ensure_future(flight)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, flying.cancel)
    return await flying


async def _fly(inventory: Inventory, options: argparse.Namespace, records: Records, interval: float) -> int:
    """For ever, or once; begins anew with the fleet file when somebody else has changed that."""
    from console.autopilot.looking import Lookout

    teller, operating = _Teller(options.json), _operating() if options.act else None
    while True:
        session, written = Session(inventory, operating=operating), _version(inventory.path)
        async with session.watching():
            try:
                await session.first_readings()
            except UnreachableError as error:
                if options.once:
                    raise
                teller.tell("waiting", f"{error} Nothing is done there.")
            lookout, pilot = Lookout(session, records), _pilot(session, records) if options.act else None
            while written == _version(inventory.path):
                proposal = await lookout.look()
                teller.propose(proposal)
                if options.once:
                    teller.end(proposal)
                    return Exit.DONE
                if pilot:
                    await _act(pilot, proposal.act, teller)
                if session.inventory is not inventory:
                    inventory, written = session.inventory, _version(inventory.path)
                    if not _says(options, inventory):  # somebody wrote it too, meanwhile
                        break
                await asyncio.sleep(interval)
        inventory = await _changed(options, inventory, teller, interval)


def _operating() -> Operating:
    from console.operating import Operating  # what can change a host

    return Operating()


def _pilot(session: Session, records: Records) -> Pilot:
    from console.autopilot.pilot import Pilot

    return Pilot(session, records)


async def _act(pilot: Pilot, act: Act | None, teller: _Teller) -> None:
    """What follows from a look."""
    hindrance = pilot.hindrance
    teller.hinder(hindrance)
    if act is None or hindrance:
        return
    from console.autopilot.pilot import FailedError
    from console.changing.applying import print_event

    teller.tell("acting", act.sentence, act)
    try:
        teller.tell("done", await pilot.act(act, print_event), act)
    except FailedError as error:
        teller.tell("failed", str(error), act)
    except GpudeckError as error:
        teller.tell("declined", str(error), act)


def _says(options: argparse.Namespace, inventory: Inventory) -> bool:
    """Whether the fleet file says that, and nothing else."""
    with suppress(GpudeckError):
        return choose_fleet(options) == inventory
    return False


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
        self._hindrance = ""

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

    def end(self, proposal: Proposal) -> None:
        """Tell where there was nothing to tell."""
        if proposal.act is None and not proposal.declined:
            self.tell("nothing", "Nothing is to be done.")

    def hinder(self, sentence: str) -> None:
        """Tell why it may not act at all, once; a hindrance that is gone is told by what is done."""
        if sentence and sentence != self._hindrance:
            self.tell("waiting", sentence)
        self._hindrance = sentence

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
    acts, halted = records.acts().tried, records.halted
    if as_json:
        document = {"schema": "gpudeck/autopilot-acts/1", "halted": halted or None, "acts": records.acts().document()}
        print(json.dumps(document, ensure_ascii=False))
        return
    for act in acts:
        when = datetime.fromtimestamp(act.at).astimezone()
        print(f"{when:%Y-%m-%d %H:%M}  {act.ended:<11}  {act.sentence}{act.because and ' ' + act.because}")
    print(f"Halted by {halted}." if halted else f"{len(acts)} acts in the last 30 days; it may act.")
