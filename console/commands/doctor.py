"""What is wrong with this set-up: terminal, records, and of every host SSH, sudo, logs, GPUs, clock and engines.

Changes nothing. Exit 1 where something fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from console.doctor import Check, Grade
from console.fleets import add_fleet_options, choose_fleet, config_folder, state_folder
from fleet.errors import Exit, GpudeckError, UsageError
from fleet.inventory import Host, Inventory
from fleet.model import Model
from fleet.text import clean
from fleet.units import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck doctor``."""
    add_fleet_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="write a report to hand on, without secrets")
    parser.add_argument(
        "--hide-names", action="store_true", help="with --bundle: no name of a host, user, model or place in it either"
    )
    parser.add_argument(
        "--sudoers",
        metavar="HOST",
        help="print the narrowest lines for that host's /etc/sudoers.d, and what they allow; looks at nothing",
    )
    parser.add_argument(
        "--root-helper",
        metavar="HOST",
        help="print the program for a host with `become: helper`, which limits sudo to its units; looks at nothing",
    )


def run(options: argparse.Namespace) -> int:
    """Look, and tell."""
    if options.sudoers:
        return _print_sudoers(*_host(choose_fleet(options), options.sudoers))
    if options.root_helper:
        return _print_root_helper(*_host(choose_fleet(options), options.root_helper))
    if options.hide_names and not options.bundle:
        raise UsageError("--hide-names is about the report; name its file by --bundle.")
    from console.doctor.examining import check_hosts, check_terminal
    from console.doctor.records import file_checks, folder_checks, settings_check

    inventory, fleet_check = _fleet(options)
    checks = [*check_terminal(ask=not options.json), fleet_check, settings_check(), *folder_checks(state_folder())]
    if inventory is not None:
        checks += [*file_checks(inventory, state_folder()), *asyncio.run(check_hosts(inventory))]
    if options.json:
        print(json.dumps(_document(inventory, checks), indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines(checks)))
    if options.bundle:
        from console.doctor.bundle import write_bundle

        write_bundle(options.bundle, inventory, checks, hide_names=options.hide_names)
    return Exit.FINDINGS if any(check.grade is Grade.FAIL for check in checks) else Exit.DONE


def _host(inventory: Inventory, name: str) -> tuple[Host, list[Model]]:
    """The host of that name, and the models that are or may be on it. Raises UsageError."""
    hosts = {host.name: host for host in inventory.hosts}
    if name not in hosts:
        raise UsageError(f"There is no host {clean(name)!r} in this fleet.", f"It has {', '.join(hosts)}.")
    return hosts[name], [model for model in inventory.models if model.place is None or model.place.host == name]


def _print_sudoers(host: Host, models: Sequence[Model]) -> int:
    from console.doctor.sudo import sudoers

    print(sudoers(host, models) or f"# {host.name} has become: none, so nothing is run as root there.")
    return Exit.DONE


def _print_root_helper(host: Host, models: Sequence[Model]) -> int:
    from console.doctor.root_helper import root_helper

    if host.become != "helper":
        raise UsageError(f"{host.name} has become: {host.become}.", "Write become: helper to have changes made by one.")
    print(root_helper(host, models), end="")
    return Exit.DONE


def _fleet(options: argparse.Namespace) -> tuple[Inventory | None, Check]:
    try:
        inventory = choose_fleet(options)
    except GpudeckError as error:
        way_out = error.way_out or "`gpudeck check` names every place in it."
        return None, Check("fleet file", "file", Grade.FAIL, " ".join(error.message.split("\n")), way_out)
    where = clean(str(inventory.path or config_folder()))
    names = f"{counted(len(inventory.hosts), 'host')} and {counted(len(inventory.models), 'model')}"
    return inventory, Check("fleet file", "file", Grade.OK, f"{where} names {names}.")


def lines(checks: Sequence[Check]) -> list[str]:
    """The checks as text, by area."""
    width = max(len(check.subject) for check in checks)
    told = []
    for area, found in groupby(checks, key=lambda check: check.area):
        told += ["", area]
        for check in found:
            told.append(f"  {check.grade:<4}  {check.subject:<{width}}  {check.message}")
            if check.way_out:
                told.append(f"  {'':<4}  {'':<{width}}  {check.way_out}")
    counts = {grade: sum(check.grade is grade for check in checks) for grade in Grade}
    failed, warned = counts[Grade.FAIL], counts[Grade.WARN]
    return [*told[1:], "", f"{counts[Grade.OK]} ok, {warned} to know of, {failed} wrong."]


def _document(inventory: Inventory | None, checks: Sequence[Check]) -> dict[str, object]:
    return {
        "schema": "gpudeck/doctor/1",
        "fleet": inventory.fleet if inventory else None,
        "checks": [
            {
                "area": check.area,
                "subject": check.subject,
                "grade": check.grade,
                "message": check.message,
                "way_out": check.way_out or None,
            }
            for check in checks
        ],
    }
