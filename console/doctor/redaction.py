"""What must not leave with a report: secrets never, names only if they may."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fleet.secrets import masked


@dataclass(frozen=True, slots=True)
class Redactor:
    """Makes a text fit to be handed on."""

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What is written instead of each name."""

    def __call__(self, text: str) -> str:
        """The text without secrets, and with the names replaced, whole words only."""
        text = masked(text)
        if not self.names:
            return text
        longest_first = sorted(self.names, key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        whole = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])")
        return whole.sub(lambda match: self.names[match[0]], text)


def aliases(kinds: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Other names, numbered by kind in the order given: ``host-1``. They say nothing of the names they stand for."""
    found: dict[str, str] = {}
    for kind, names in kinds.items():
        wanted = [name for name in dict.fromkeys(names) if name and name not in found]
        found |= {name: f"{kind}-{number}" for number, name in enumerate(wanted, 1)}
    return found
