"""Going through the findings: the whole sentence, and fixes that enter stages."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.keys import Where, bindings
from console.screens.base import ConsoleDialog
from fleet.findings import Finding, Fix
from fleet.model import GpuId
from widgets.findings_list import SIGNS
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph
from widgets.rows import Row, Span


class FindingsScreen(ConsoleDialog):
    """Each finding with its fixes; the arrows go from fix to fix."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.FINDINGS)]
    DEFAULT_CSS = "FindingsScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self, gpu: GpuId | None = None, model: str | None = None) -> None:
        """Begin at an error, and of several at what is found of that GPU or model."""
        super().__init__()
        self._near = gpu, model
        self._index = 0
        self._chosen_row = 0

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(), VerticalScroll(can_focus=False):
            yield Paragraphs()
        yield Hints()

    def on_mount(self) -> None:
        """Show them."""
        self.hint(Where.FINDINGS)
        self._index = self._first()
        self.call_after_refresh(self._show)

    def _lines(self) -> list[tuple[Finding, Fix | None]]:
        """Every place the cursor can be: each fix of each finding, or the finding where it has none."""
        found: list[tuple[Finding, Fix | None]] = []
        for finding in self.console.state.findings:
            found += [(finding, fix) for fix in finding.fixes] or [(finding, None)]
        return found

    def _first(self) -> int:
        """Where to begin: at the worst, and of that at what is nearest."""
        gpu, model = self._near
        findings = [finding for finding, _ in self._lines()]

        def far(index: int) -> tuple[int, bool]:
            finding = findings[index]
            return finding.severity.rank, finding.model != model and (finding.gpu is None or finding.gpu != gpu)

        return min(range(len(findings)), key=far, default=0)

    def _show(self) -> None:
        lines = self._lines()
        self._index = max(0, min(len(lines) - 1, self._index))
        self.query_one(Paragraphs).show(lambda width: self._rows(lines, width))
        self.query_one(VerticalScroll).scroll_to(y=max(0, self._chosen_row - 6), animate=False)

    def _rows(self, lines: list[tuple[Finding, Fix | None]], width: int) -> list[Row]:
        rows: list[Row] = []
        shown: Finding | None = None
        for index, (finding, fix) in enumerate(lines):
            if finding is not shown:
                rows += _heading(finding, "THEN" if self.console.rewind.past else finding.tense.upper(), width)
                shown = finding
            here = index == self._index
            if here:
                self._chosen_row = len(rows)
            words = f"fix: {fix.summary}" if fix else "no computed fix"
            first, *others = paragraph(words, width - 7, "good" if fix else "dim", indent="")
            rows.append((Span("   ▸ " if here else "     ", "accent"), *first))
            rows += [(Span(" " * 7), *row) for row in others]
        return rows or [(Span("There are no findings.", "good"),)]

    def action_go(self, step: int) -> None:
        """The next fix, or the one before."""
        self._index += step
        self._show()

    def action_stage_fix(self) -> None:
        """Stage the chosen fix and go back to the deck."""
        lines = self._lines()
        fix = lines[self._index][1] if lines else None
        if fix is None:
            self.query_one(Hints).say("This finding has no computed fix.", "warning")
            return
        if self.console.stage(*fix.changes):
            self.dismiss()


def _heading(finding: Finding, tense: str, width: int) -> list[Row]:
    sign, style = SIGNS[finding.severity]
    head = f"{sign} {tense} {finding.code} {finding.subject}"
    return [(Span(head, style),), *paragraph("  " + finding.message, width)]
