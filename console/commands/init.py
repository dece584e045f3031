"""Read hosts over SSH and write a fleet file: their GPUs, and every model whose service can be told."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from dataclasses import replace
from pathlib import Path

from fleet import files
from fleet.errors import Exit, GpudeckError, UsageError
from fleet.inventory import Host
from fleet.inventory.loading import load_text
from fleet.inventory.writing import fleet_text
from fleet.model import Model
from fleet.ssh.address import Address
from fleet.ssh.connection import HostConnection
from fleet.ssh.jumps import Jumps
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.survey import Surveyed, survey
from fleet.text import clean
from fleet.units import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck init``."""
    parser.add_argument("hosts", nargs="+", metavar="HOST", help="a host as ssh takes it: gpu01, or ops@gpu01")
    parser.add_argument("-o", "--output", metavar="FILE", default="fleet.yaml", help="where to; - prints it")
    parser.add_argument("--name", help="what the fleet is called; default the first host's name")
    parser.add_argument(
        "--become", choices=("sudo", "helper", "none"), default="sudo", help="how root is reached there"
    )
    parser.add_argument("--ssh-config", metavar="FILE", help="an OpenSSH client configuration instead of yours")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(options: argparse.Namespace) -> int:
    """Write the file, or print it; nothing is written where a host was not read."""
    output = None if options.output == "-" else Path(options.output)
    if output and output.exists() and not options.force:
        raise UsageError(f"{clean(str(output))} is there already.", "Name another by -o, or write over it by --force.")
    if output and not output.resolve().parent.is_dir():
        raise UsageError(f"{clean(str(output))} cannot be written: there is no such folder.")
    found = asyncio.run(_surveys(options))
    hosts: list[Host] = [each.host for each in found]
    models: list[Model] = [model for each in found for model in each.models]
    config = str(Path(options.ssh_config).resolve()) if options.ssh_config else None
    notes = [sentence for each in found for sentence in each.left_out]
    text = fleet_text(options.name or hosts[0].name, hosts, models, config, notes)
    load_text(text, output or Path("fleet.yaml"))
    for sentence in notes:
        print(f"note: {sentence}", file=sys.stderr)
    if output is None:
        print(text, end="")
        return Exit.DONE
    try:
        files.replace(output.resolve(), text, files.READABLE)
    except OSError as error:
        raise UsageError(f"{clean(str(output))} cannot be written: {error.strerror}.") from None
    gpus = sum(host.gpus for host in hosts)
    told = ", ".join((counted(len(hosts), "host"), counted(gpus, "GPU"), counted(len(models), "model")))
    print(f"{output}: {told}. Look at it, then: gpudeck {output}")
    return Exit.DONE


async def _surveys(options: argparse.Namespace) -> list[Surveyed]:
    names = _names(options.hosts)
    config = Path(options.ssh_config) if options.ssh_config else None
    jumps = Jumps()
    probes = {name: ProbeOnly(HostConnection(name, address, config, jumps)) for name, address in names.items()}
    try:
        results = await asyncio.gather(
            *(survey(probes[name], name, address, options.become) for name, address in names.items()),
            return_exceptions=True,
        )
    finally:
        await asyncio.gather(*(probe.close() for probe in probes.values()))
    for result in results:
        if isinstance(result, BaseException):
            raise result
    taken: set[str] = set()
    return [_apart(result, taken) for result in results if isinstance(result, Surveyed)]


def _names(addresses: list[str]) -> dict[str, str]:
    """What each host will be called: its own name without user, port and domain."""
    found: dict[str, str] = {}
    for address in addresses:
        try:
            host = Address.parse(address).host
        except ValueError as error:
            raise UsageError(f"{error}.") from None
        is_number = host.replace(".", "").isdigit() or ":" in host
        name = re.sub(r"[^A-Za-z0-9_-]", "-", host if is_number else host.partition(".")[0])
        if name in found:
            raise UsageError(f"Two hosts would be called {clean(name)}.", "Give each its own alias in ~/.ssh/config.")
        found[name] = address
    return found


def _apart(surveyed: Surveyed, taken: set[str]) -> Surveyed:
    """The same, its models' names unlike those of other hosts."""
    models = []
    for model in surveyed.models:
        name = model.name if model.name not in taken else f"{model.name}-{surveyed.host.name}"
        if name in taken:
            raise GpudeckError(f"Two models would be called {clean(name)}.", "Read the hosts one by one.")
        taken.add(name)
        models.append(replace(model, name=name))
    return replace(surveyed, models=tuple(models))
