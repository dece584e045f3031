"""What a pane is given to show, and words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fleet.findings.assessment import GpuOutlook
from fleet.planning.carry import Fit, Verdict
from fleet.readings import Link
from fleet.state import GpuState
from fleet.units import gib
from widgets.rows import Span

VERDICT_STYLES = {
    Fit.FITS: "good",
    Fit.TIGHT: "warning",
    Fit.SHORT: "error",
    Fit.REFUSED: "error",
    Fit.TOO_FEW: "dim",
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
    """Models that a filter leaves out; as everything left out they are put in parentheses, and dimmed."""
    is_faint: bool = False
    """Whether a filter leaves out everything here."""
    names_host: bool = False
    """Whether the GPU is shown with the name of its host: there are several."""
    is_production: bool = False
    """Whether the host serves production."""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """While jumping: the letter of each model, and under the empty name that of the GPU."""
    marked: frozenset[str] = frozenset()
    """Models that are chosen together."""

    @property
    def name(self) -> str:
        """The GPU as the deck calls it: ``3``, or ``gpu01/3`` where there are several hosts."""
        name = str(self.gpu.gpu) if self.names_host else str(self.gpu.gpu.index)
        return f"({name})" if self.is_faint else name


def marker(*, is_here: bool, is_marked: bool) -> Span:
    """The cell before a model's name: whether the cursor is on it, and whether it is marked."""
    sign = ("◆" if is_here else "◇") if is_marked else "▸" if is_here else " "
    return Span(sign, "accent")


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
        case Fit.TOO_FEW:
            return "⛔ too few GPUs"
        case Fit.CORDONED:
            return "⛔ cordoned"
        case Fit.HERE:
            return "is here"
