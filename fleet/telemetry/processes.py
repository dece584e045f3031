"""What of a process does not change from frame to frame."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.secrets import masked
from fleet.telemetry.numbers import whole
from fleet.telemetry.owners import owner
from fleet.text import clean

_STAT = re.compile(r"\d+ \((?P<name>.*)\) (?P<state>\S) (?P<rest>.*)", re.DOTALL)
_START_FIELD = 22 - 4
"""Where the start time is among the fields of ``stat`` that follow the state; proc(5) numbers it 22."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """Who a process is. Harmless text; None or empty where it was not said."""

    start_ticks: int = 0
    state: str | None = None
    """The kernel's letter, when it was looked at; None for a process that /proc does not show us."""
    name: str = ""
    command_line: str = ""
    owner: str | None = None


def facts(texts: Mapping[str, str]) -> ProcessFacts:
    """What ``stat``, ``comm``, ``cmdline`` and ``cgroup`` say, as far as they are there. Never raises."""
    stat = _STAT.fullmatch(texts.get("stat", ""))
    fields = stat["rest"].split() if stat else []
    start = whole(fields[_START_FIELD]) if len(fields) > _START_FIELD else None
    return ProcessFacts(
        start or 0,
        clean(stat["state"]) if stat else None,
        clean(texts.get("comm", "")),
        masked(clean(texts.get("cmdline", ""), limit=2000)),
        owner(texts.get("cgroup", "")),
    )
