"""One frame of the truth: hosts, GPUs and models, estimated and measured."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from console.fleets import add_fleet_options, choose_fleet
from console.prometheus_text import page
from console.session import Session
from fleet.errors import Exit, UsageError
from fleet.inventory import Inventory
from fleet.state import FleetState
from fleet.state.json import status_json
from fleet.units import duration, gib


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck status``."""
    add_fleet_options(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document; with --watch one a line")
    form.add_argument("--format", choices=("text", "prometheus"), default="text", help="prometheus: one scrape page")
    parser.add_argument("--watch", action="store_true", help="go on printing, a frame every two seconds")


def run(options: argparse.Namespace) -> int:
    """Print the fleet; exit 3 where a host was not reached."""
    if options.watch and options.format == "prometheus":
        raise UsageError("A scrape page is of one moment: --watch does not go with --format prometheus.")
    return asyncio.run(_run(Session(choose_fleet(options)), options))


def print_status(inventory: Inventory) -> int:
    """Print one frame as text; exit 3 where a host was not reached."""
    return asyncio.run(_run(Session(inventory), argparse.Namespace(json=False, format="text", watch=False)))


async def _run(session: Session, options: argparse.Namespace) -> int:
    async with session.watching():
        await session.first_readings()
        while True:
            state = session.state()
            if options.json:
                print(json.dumps(status_json(state), indent=None if options.watch else 2, ensure_ascii=False))
            elif options.format == "prometheus":
                print(page(state), end="")
            else:
                print("\n".join(status_lines(state)))
            if not options.watch:
                break
            sys.stdout.flush()
            await asyncio.sleep(2)
    unreached = [host for host in state.hosts if not host.link.is_heard]
    for host in unreached:
        print(f"gpudeck: {host.name}: {host.reason or host.link}", file=sys.stderr)
    return Exit.UNREACHABLE if unreached else Exit.DONE


def status_lines(state: FleetState) -> list[str]:
    """The fleet as plain text, a line per GPU and a line per model, aligned."""
    lines = []
    for host in state.hosts:
        age = f", read {duration(host.age_seconds)} ago" if host.age_seconds is not None else ""
        lines.append(f"{host.name}  {host.link}{age}" + (f"  {host.reason}" if host.reason else ""))
        if host.exporter:
            lines.append(f"  by {host.exporter}, which does not say who holds what, nor HIP's own numbers")
        for gpu in host.gpus:
            used = "–" if gpu.used_bytes is None else gib(gpu.used_bytes)
            reading = gpu.reading
            heat = f"{reading.temperature_c:.0f} °C" if reading and reading.temperature_c is not None else ""
            power = f"{reading.power_w:.0f} W" if reading and reading.power_w is not None else ""
            lines.append(
                f"  {gpu.gpu!s:<9} {gpu.accelerator} {gpu.pci or '':<13} est {gib(gpu.outlook.peak_bytes):>6}"
                f"  live {used:>6} of {gib(gpu.total_bytes)} GiB  {heat:>6} {power:>6}"
            )
            for model in gpu.models:
                held = model.used_by_gpu.get(gpu.gpu)
                figure = "" if held is None else f"{gib(held)} GiB"
                lines.append(f"    {model.name:<20} {model.word:<9} {figure:>10}")
    disabled = [model.name for model in state.models if not model.model.enabled]
    if disabled:
        lines.append(f"disabled: {', '.join(disabled)}")
    lines += [f"{f.severity} {f.code} {f.subject}: {f.headline or f.message}" for f in state.findings]
    return lines
