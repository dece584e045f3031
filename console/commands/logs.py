"""The last log lines of a model, as its service manager keeps them."""

from __future__ import annotations

import argparse
import asyncio

from console.fleets import add_fleet_options, choose_fleet
from console.options import count
from fleet.errors import Exit, UsageError
from fleet.inventory import Host, Inventory
from fleet.secrets import masked
from fleet.services import Service
from fleet.services.registry import service_of
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.logs import following, read_log
from fleet.text import clean, clean_lines

LINE_LIMIT = 4000


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck logs``."""
    parser.add_argument("model", metavar="M", help="a model of the fleet")
    add_fleet_options(parser, positional=False)
    parser.add_argument("-n", "--lines", type=count, default=100, help="how many lines; 100 by default")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing new lines")


def run(options: argparse.Namespace) -> int:
    """Print the lines, stripped of everything a terminal would obey."""
    inventory = choose_fleet(options)
    host, service = logged(inventory, options.model)
    probe = ProbeOnly(HostConnection(host.name, host.address, inventory.ssh_config))
    return asyncio.run(_print(probe, service, host.become, options.lines, options.follow))


async def _print(probe: ProbeOnly, service: Service, become: str, lines: int, follow: bool) -> int:
    try:
        if follow:
            async with probe.follow(await following(probe, service, lines, become)) as new_lines:
                async for line in new_lines:
                    print(masked(clean(line, LINE_LIMIT)), flush=True)
            return Exit.DONE
        print("\n".join(clean_lines(await read_log(probe, service, lines, become), LINE_LIMIT)))
    finally:
        await probe.close()
    return Exit.DONE


def logged(inventory: Inventory, name: str) -> tuple[Host, Service]:
    """The host a model is (or would be) on, and its service. Raises UsageError where it has none."""
    try:
        model = inventory.model(name)
    except KeyError:
        names = ", ".join(known.name for known in inventory.models)
        raise UsageError(f"There is no model {name!r} in this fleet.", f"It has {names}.") from None
    host = inventory.host(model.place.host) if model.place else inventory.hosts[0]
    service = service_of(model, host.become)
    if service is None:
        raise UsageError(f"{name} has no service: in the fleet file, so its log cannot be found.")
    return host, service
