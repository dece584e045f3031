"""Findings as rows: severity, tense, code, subject, sentence, fixes."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from fleet.findings import Finding, Severity
from widgets.rows import Row, Rows, Span, fit

SIGNS = {Severity.ERROR: ("✖", "error"), Severity.WARNING: ("⚠", "warning"), Severity.INFO: ("ℹ", "dim")}
_NARROW = 80
"""Cells below which columns are not aligned."""


def finding_row(finding: Finding, cells: int, tense: str = "") -> Row:
    """One finding in one row; the sentence gives way to the fixes where both do not fit. Of the past it says another
    ``tense`` than its own."""
    sign, style = SIGNS[finding.severity]
    subject = 17 if cells >= _NARROW else min(17, len(finding.subject) + 1)
    head = (
        Span(f" {sign} ", style),
        Span(f"{tense or finding.tense.upper():<8}", style),
        Span(f"{finding.code:<8}", "strong"),
        Span(fit(finding.subject, subject), "text"),
    )
    room = cells - 3 - 8 - 8 - subject
    fixes = "fix: " + " | ".join(fix.summary for fix in finding.fixes) if finding.fixes else ""
    text = finding.headline or finding.message
    if cells < _NARROW:
        return (*head, Span(_whole_words(text, room)))
    if len(text) + len(fixes) + 3 <= room:
        return (*head, Span(fit(text, room - len(fixes) - 1)), Span(fixes, "good"), Span(" "))
    short = f"fix: {finding.fixes[0].summary}" if finding.fixes else ""
    if short and len(short) + 30 <= room:
        return (*head, Span(_whole_words(text, room - len(short) - 2)), Span(" "), Span(short, "good"), Span(" "))
    return (*head, Span(_whole_words(text, room)))


def _whole_words(text: str, cells: int) -> str:
    """As many words of the text as there is room for."""
    return fit(shorten(text, max(8, cells), placeholder=" …"), cells)


class FindingsList(Rows):
    """The findings that fit, and how many more there are. NOW comes before DRAFT, errors before warnings.

    Its height never depends on what it shows: a list that grows would move, and so repaint, everything above it.
    """

    DEFAULT_CSS = "FindingsList { height: 10vh; min-height: 2; max-height: 4; }"

    def __init__(self, key: str) -> None:
        """``key`` is what shows those that do not fit."""
        super().__init__()
        self._key = key
        self._findings: tuple[Finding, ...] = ()
        self._tense = self._below = ""

    def show(self, findings: Sequence[Finding], tense: str = "", below: str = "") -> None:
        """Show these, in another tense than their own where one is said; and ``below`` them, where a row is left."""
        self._findings, self._tense, self._below = tuple(findings), tense, below
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """A row per finding, in exactly ``height`` rows."""
        kept = self._findings if len(self._findings) <= height else self._findings[: height - 1]
        rows: list[Row] = [finding_row(finding, width, self._tense) for finding in kept]
        if len(kept) < len(self._findings):
            rows.append((Span(f"   and {len(self._findings) - len(kept)} more: {self._key}", "dim"),))
        left: list[Row] = [()] * (height - len(rows))
        if left and self._below:
            left[-1] = (Span(fit(f" {self._below}", width), "dim"),)
        return rows + left
