"""What one line of an engine's log tells of its start, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.calibration.dialect import Begin
from fleet.calibration.reading import DIALECTS, LINE_CHARACTERS, message_begins, printed, stamped
from fleet.startup import Ending
from fleet.text import clean

_SIZES = frozenset({"weights", "activations", "non_torch", "graphs", "cache", "peak", "consumed"})


@dataclass(frozen=True, slots=True)
class Said:
    """One line's news of a start."""

    sizes: Mapping[str, int]
    """Bytes by the name `fleet.calibration.dialect.Dialect` has for them, in the line's order."""
    others: Mapping[str, str]
    """What else it tells, as it is printed: ``tokens``, ``blocks``, ``length``, ``concurrency``, ``seconds`` …"""
    begins: Begin | None = None
    """What it begins, where it is such a line."""
    ending: Ending | None = None
    """How the start came out, where this is the line that says so."""


def said(engine: str, line: str) -> Said | None:
    """What a line tells; None where it tells nothing of a start, or the engine's lines are not known."""
    dialect = DIALECTS.get(engine)
    if dialect is None:
        return None
    _, text = stamped(clean(line, LINE_CHARACTERS))
    sizes: dict[str, int] = {}
    others: dict[str, str] = {}
    for match in filter(None, (pattern.search(text) for pattern in dialect.facts)):
        for name, told in match.groupdict().items():
            kind = name.removesuffix("_bytes")
            if told is not None and kind in _SIZES:
                size = int(told) if kind != name else printed(told, dialect.unit).bytes
                sizes[kind] = size + (sizes.get(kind, 0) if dialect.adds else 0)
            elif told is not None:
                others.setdefault(name, told)
    begins = next((begin for begin, pattern in dialect.begins if pattern.match(text, message_begins(text))), None)
    ending = next((ending for ending, pattern in dialect.refusals if pattern.search(text)), None)
    if ending is None and dialect.serves.search(text):
        ending = Ending.STARTED
    return Said(sizes, others, begins, ending) if sizes or others or begins or ending else None
