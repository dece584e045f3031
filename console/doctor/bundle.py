"""A report of a set-up that can be handed on: what runs where, what was found, and nothing secret."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from console.doctor import Check
from console.doctor.redaction import Redactor, aliases
from console.fleets import state_folder
from fleet.errors import GpudeckError, UsageError
from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory
from fleet.model import Model
from fleet.ssh.address import Address

PACKAGES = "gpudeck", "textual", "asyncssh", "pydantic", "PyYAML", "prometheus-client", "h11"
_VARIABLES = "TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "TMUX", "STY", "ZELLIJ", "SSH_CONNECTION"
_TOLD = "TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE"
"""Of those, the ones whose value is no secret and no name."""


def write_bundle(path: Path, inventory: Inventory | None, checks: Sequence[Check], *, hide_names: bool) -> None:
    """Write the report, for its owner's eyes alone until they hand it on.

    Raises UsageError where the file is there already, GpudeckError where it cannot be written.
    """
    redactor = Redactor(_names(inventory) if hide_names else {})
    text = redactor("\n".join(_report(inventory, checks)) + "\n")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already.", "Name another file.") from None
    except OSError as error:
        raise GpudeckError(f"The report cannot be written: {error.strerror}.") from None
    print(f"The report is in {path}. Read it before you hand it on.", file=sys.stderr)


def _report(inventory: Inventory | None, checks: Sequence[Check]) -> Iterator[str]:
    yield "gpudeck doctor report 1"
    yield ""
    yield "[programs]"
    yield f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    for package in PACKAGES:
        yield f"{package} {_version(package)}"
    yield ""
    yield "[environment]"
    for name in _VARIABLES:
        if name in os.environ:
            yield f"{name} {os.environ[name] if name in _TOLD else 'is set'}"
    yield ""
    yield "[checks]"
    for check in checks:
        yield f"{check.grade:<4} {check.area} {check.subject}: {check.message}"
    if inventory is not None:
        yield from _fleet(inventory)


def _fleet(inventory: Inventory) -> Iterator[str]:
    yield ""
    yield "[fleet]"
    yield f"{inventory.fleet}, read {'through Prometheus' if inventory.prometheus else 'over SSH'}"
    yield from map(_host, inventory.hosts)
    for model in inventory.models:
        yield _model(model)
    yield ""
    yield "[findings]"
    for finding in assess(inventory).findings:
        yield f"{finding.severity} {finding.code} {finding.subject}: {finding.headline or finding.message}"


def _host(host: Host) -> str:
    return f"host {host.name}: {host.gpus} x {host.accelerator.name}, become {host.become}, address {host.address}"


def _model(model: Model) -> str:
    facts = {
        "engine": f"{model.engine.name} {model.engine.version or ''}".strip(),
        "source": model.source,
        "place": model.place,
        "service": model.service,
        "enabled": model.enabled,
        **{f"--{flag}": value for flag, value in model.args.items()},
    }
    told = ", ".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
    return f"model {model.name}: {told}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is missing"


def _names(inventory: Inventory | None) -> dict[str, str]:
    """Everything in a report that names a machine, a person, a model or a place in a file system."""
    hosts = inventory.hosts if inventory else ()
    models = inventory.models if inventory else ()
    addresses = [Address.parse(host.address) for host in hosts if host.address]
    users = [*(address.user or "" for address in addresses), getpass.getuser()]
    kinds = {
        "path": [str(path) for path in (state_folder(), inventory and inventory.path, Path.home()) if path],
        "fleet": [inventory.fleet] if inventory else [],
        "host": [*(host.name for host in hosts), *(address.host for address in addresses), socket.gethostname()],
        "user": [user for user in users if user != "root"],
        "model": [model.name for model in models],
        "source": [model.source or "" for model in models],
        "service": [(model.service or "").partition(":")[2] for model in models],
    }
    return aliases(kinds)
