"""Looking at everything, in the order in which one thing needs another."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence

from console.doctor import Check, Grade
from console.doctor.asking import answer_checks, ask_terminal
from console.doctor.reaching import reaching_checks
from console.doctor.reading import clock_checks, engine_checks, log_checks, probe_checks
from console.doctor.steps import step_checks
from console.doctor.sudo import sudo_checks
from console.doctor.terminal import Surroundings, terminal_checks
from fleet.errors import GpudeckError
from fleet.inventory import Host, Inventory
from fleet.model import Model
from fleet.ssh.connection import HostConnection
from fleet.ssh.jumps import Jumps
from fleet.ssh.probe_only import ProbeOnly


def check_terminal(*, ask: bool) -> list[Check]:
    """The terminal we run in, asked too where it is one and ``ask`` is set."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    around = Surroundings(os.environ, is_terminal, _size(), sys.stdout.encoding or "")
    checks = list(terminal_checks(around))
    if is_terminal and ask and os.environ.get("TERM", "dumb") != "dumb":
        checks += answer_checks(ask_terminal())
    return checks


def _size() -> tuple[int, int]:
    size = shutil.get_terminal_size()
    return size.columns, size.lines


async def check_hosts(inventory: Inventory) -> list[Check]:
    """Every host of the fleet, all at once; in the fleet file's order."""
    jumps = Jumps()
    connections = [HostConnection(host.name, host.address, inventory.ssh_config, jumps) for host in inventory.hosts]
    try:
        found = await asyncio.gather(
            *(_check_host(inventory, *each) for each in zip(inventory.hosts, connections, strict=True))
        )
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    return [check for checks in found for check in checks]


async def _check_host(inventory: Inventory, host: Host, connection: HostConnection) -> list[Check]:
    if not host.address:
        return [Check(host.name, "login", Grade.OK, "It has no address: it is read through Prometheus alone.")]
    checks = await reaching_checks(connection)
    if checks[-1].subject == "login":
        return checks
    models = [model for model in inventory.placed if model.place and model.place.host == host.name]
    return [*checks, *await _look(ProbeOnly(connection), host, models)]


async def _look(probe: ProbeOnly, host: Host, models: Sequence[Model]) -> list[Check]:
    checks: list[Check] = []
    for subject, looking in (
        ("sudo", sudo_checks(probe, host, models)),
        ("steps", step_checks(probe, host)),
        ("journal", log_checks(probe, host, models)),
        ("probe", probe_checks(probe, host)),
        ("clock", clock_checks(probe, host)),
        ("engines", engine_checks(probe, host, models)),
    ):
        try:
            checks += await looking
        except GpudeckError as error:
            checks.append(Check(host.name, subject, Grade.FAIL, error.message, error.way_out))
    return checks
