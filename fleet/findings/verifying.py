"""Trying a fix: the changed fleet, reckoned again at the high end of every spread."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.errors import UsageError
from fleet.estimate.measured import End
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement

Rules = Callable[[Placement], Iterator[Finding]]


def holds(placement: Placement, finding: Finding, fix: Fix, rules: Rules) -> bool:
    """Whether the finding is gone after the fix, and nothing worse came, on every GPU the fix touches."""
    try:
        before, after = placement.changed(fix.changes, End.HIGH)
    except UsageError:
        return False
    errors = {_identity(each) for each in rules(before) if each.severity is Severity.ERROR}
    return not any(
        _identity(each) == _identity(finding) or (each.severity is Severity.ERROR and _identity(each) not in errors)
        for each in rules(after)
    )


def _identity(finding: Finding) -> tuple[object, ...]:
    """What makes two findings the same one: a GPU's by the GPU, a model's by the model."""
    return finding.code, finding.gpu if finding.code.startswith("MEM") else finding.model
