"""Warnings with a code, a sentence, numbers and, where possible, a computed fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.inventory.changes import Change
    from fleet.model import GpuId


class Severity(StrEnum):
    """How bad it is, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return tuple(Severity).index(self)


class Tense(StrEnum):
    """Of which placement it speaks."""

    NOW = "now"
    DRAFT = "draft"
    WHAT_IF = "what-if"


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that would end the finding; computed, and verified by estimating again."""

    summary: str
    """A few words: ``max-model-len 33120``."""
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning."""

    code: str
    severity: Severity
    tense: Tense
    message: str
    """One sentence with its numbers, the engine's own words where it has some."""
    headline: str = ""
    """The same, short enough for a row beside its fixes."""
    model: str | None = None
    gpu: GpuId | None = None
    host: str | None = None
    """Where it is about a whole host."""
    numbers: Mapping[str, int | float] = field(default_factory=lambda: MappingProxyType({}))
    """Sizes in bytes under keys ending ``_bytes``."""
    fixes: tuple[Fix, ...] = ()
    """Cheapest first."""

    @property
    def subject(self) -> str:
        """What it is about: the model where there is one, else the GPU, else the host, else the fleet."""
        return self.model or (str(self.gpu) if self.gpu else self.host or "fleet")


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors, warnings, infos, each kind in the order it came."""
    return tuple(sorted(findings, key=lambda finding: finding.severity.rank))
