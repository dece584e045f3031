"""Alerts of a fleet: those that stand, who knows of them, and a trial of the webhook."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import time
from typing import Any

from console.alerts.acknowledged import Acknowledgement, Acknowledgements
from console.alerts.alert import Alert
from console.fleets import acknowledgements_path, add_fleet_options, choose_fleet, history_path, state_folder
from console.history.text import clock
from fleet.errors import Exit, UsageError
from fleet.findings import Severity
from fleet.inventory import Inventory
from fleet.text import clean
from fleet.units import parse_duration


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck alerts``."""
    add_fleet_options(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print one JSON document")
    what.add_argument("--acknowledge", metavar="ALERT", help="tell nobody of it for a while; ALERT as it is listed")
    what.add_argument("--test", action="store_true", help="send the webhook a document that says test")
    parser.add_argument(
        "--for", dest="span", default="1h", metavar="SPAN", help="how long: 30min, 8h, 2d; 1h by default"
    )
    parser.add_argument("--note", default="", help="a word to whoever looks next")


def run(options: argparse.Namespace) -> int:
    """List alerts, acknowledge one, or try the webhook."""
    inventory = choose_fleet(options)
    if inventory.alerts is None:
        raise UsageError(
            "The fleet file has no alerts.", "Give it a section alerts:, which may be as short as {bell: true}."
        )
    if options.test:
        return _test(inventory)
    now = time.time()
    known = Acknowledgements(acknowledgements_path(inventory, state_folder()))
    if options.acknowledge:
        try:
            until = round(now + parse_duration(options.span))
        except ValueError as error:
            raise UsageError(f"--for: {error}.") from None
        key = clean(options.acknowledge)
        if key not in {alert.key for alert in _standing(inventory, now)}:
            raise UsageError(f"No alert {key!r} stands.", "List them with `gpudeck alerts`; a name has blanks in it.")
        known.acknowledge(key, Acknowledgement(until, clean(getpass.getuser()), clean(options.note)), now)
        print(f"{key}: nobody is told until {clock(until)}.")
        return Exit.DONE
    alerts = _document(inventory, known, now)
    print(json.dumps(alerts, indent=2, ensure_ascii=False) if options.json else "\n".join(_lines(alerts)))
    return Exit.DONE


def _standing(inventory: Inventory, now: float) -> tuple[Alert, ...]:
    """The alerts that are recorded and not over."""
    from console.alerts.recorded import standing_alerts

    return standing_alerts(history_path(inventory, state_folder()), inventory.fleet, now)


def _document(inventory: Inventory, known: Acknowledgements, now: float) -> dict[str, Any]:
    """The ``gpudeck/alerts/1`` document: times in Unix seconds."""
    acknowledged = known.all(now)

    def told(alert: Alert) -> dict[str, Any]:
        knows = acknowledged.get(alert.key)
        return {
            "alert": alert.key,
            "severity": str(alert.severity),
            "text": alert.sentence,
            "began": alert.began,
            "acknowledged_until": knows.until if knows else None,
            "acknowledged_by": knows.by if knows else None,
            "note": knows.note or None if knows else None,
        }

    return {
        "schema": "gpudeck/alerts/1",
        "fleet": inventory.fleet,
        "alerts": [told(alert) for alert in _standing(inventory, now)],
    }


def _lines(document: dict[str, Any]) -> list[str]:
    lines = []
    for each in document["alerts"]:
        lines.append(f"{each['severity']:<8} {each['alert']}: {each['text']}  since {clock(each['began'])}")
        if each["acknowledged_until"]:
            note = f": {each['note']}" if each["note"] else ""
            lines.append(f"         {each['acknowledged_by']} knows, until {clock(each['acknowledged_until'])}{note}")
    return lines or ["No alert stands."]


def _test(inventory: Inventory) -> int:
    """Send one document; raises NotTakenError with the reason where it is not taken."""
    from console.alerts.webhook import Webhook, document

    alerts = inventory.alerts
    if alerts is None or not alerts.has_webhook:
        raise UsageError("The fleet file names no webhook.", "Name where its URL is by webhook_env or webhook_file.")
    now = time.time()
    trial = Alert(inventory.fleet, "test", inventory.fleet, Severity.INFO, "This is a test.", round(now))
    asyncio.run(Webhook(alerts).post(json.dumps(document(trial, "test", now)).encode()))
    print("The webhook has taken it.")
    return Exit.DONE
