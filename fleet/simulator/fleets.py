"""The demo's fleet file: as shipped, or with more hosts that serve what the first one serves."""

from __future__ import annotations

import re
from pathlib import Path

from fleet.errors import UsageError

MOST_HOSTS = 16
"""Simulated hosts that one process plays without falling behind."""
_FILE = Path(__file__).with_name("fleet.yaml")
_FIRST = "gpu01"
_MODEL = re.compile(r"^  (?=[a-z])", re.MULTILINE)


def demo_fleet(hosts: int = 1) -> str:
    """The text of the demo's fleet file. Models of further hosts are named after them: ``docling-gpu02``.

    Raises UsageError for a number of hosts that cannot be simulated.
    """
    if not 1 <= hosts <= MOST_HOSTS:
        raise UsageError(f"--hosts {hosts} cannot be simulated.", f"Take 1 to {MOST_HOSTS}.")
    text = _FILE.read_text(encoding="utf-8")
    if hosts == 1:
        return text
    before, models = text.split("models:\n")
    lines = [line for line in models.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    placed = [entry for entry in _MODEL.split("\n".join(lines))[1:] if f"place: {_FIRST}/" in entry]
    names = [f"gpu{number:02}" for number in range(2, hosts + 1)]
    more = "".join(f"  {name}: {{address: ops@{name}, accelerator: MI300X, gpus: 8}}\n" for name in names)
    return f"{before}{more}models:\n{models}" + "".join(_on(entry, name) for name in names for entry in placed)


def _on(entry: str, host: str) -> str:
    name, colon, rest = entry.partition(":")
    return f"  {name}-{host}{colon}{rest.rstrip()}\n".replace(f"place: {_FIRST}/", f"place: {host}/")
