"""What a pane is given to show, and words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fleet.findings.placement import GpuOutlook
from fleet.planning.carry import Fit, Verdict
from fleet.readings import Link
from fleet.state import GpuState
from fleet.units import gib

VERDICT_STYLES = {
    Fit.FITS: "good",
    Fit.TIGHT: "warning",
    Fit.SHORT: "error",
    Fit.REFUSED: "error",
    Fit.PARTITION: "dim",
    Fit.CORDONED: "dim",
    Fit.HERE: "dim",
}


@dataclass(frozen=True, slots=True)
class PaneView:
    """All a pane shows."""

    gpu: GpuState
    link: Link
    age_seconds: float | None = None
    """Shown only where the reading is not live."""
    after: GpuOutlook | None = None
    """The draft's outlook, where it differs from the running placement's."""
    verdict: Verdict | None = None
    selected: str | None = None
    """The model under the cursor."""
    is_cursor: bool = False
    show_after: bool = False
    """Draw the placement after the draft instead of the ghosts of its changes."""
    faint: frozenset[str] = frozenset()
    """Models that a filter leaves out."""
    is_faint: bool = False
    """Whether a filter leaves out everything here."""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """While jumping: the letter of each model, and under the empty name that of the GPU."""


def verdict_text(verdict: Verdict) -> str:
    """A verdict as a pane's title shows it: ``✓ fits 41.2``."""
    match verdict.fit:
        case Fit.FITS:
            return f"✓ fits {gib(verdict.size_bytes)}"
        case Fit.TIGHT:
            return f"≈ tight {gib(verdict.size_bytes)}"
        case Fit.SHORT:
            return f"✗ short {gib(verdict.size_bytes)}"
        case Fit.REFUSED:
            return "✗ refused"
        case Fit.PARTITION:
            return "⛔ partition"
        case Fit.CORDONED:
            return "⛔ cordoned"
        case Fit.HERE:
            return "is here"
