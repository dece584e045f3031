"""Trying a fix: the changed fleet, reckoned again at the high end of every spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fleet.errors import UsageError
from fleet.estimate.measured import End
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement

Rules = Callable[[Placement], Iterator[Finding]]
_Identity = tuple[object, ...]


def holds(placement: Placement, finding: Finding, fix: Fix, rules: Rules) -> bool:
    """Whether the finding is gone after the fix, and no error is new or worse, on every GPU the fix touches."""
    try:
        before, after = placement.changed(fix.changes, End.HIGH)
    except UsageError:
        return False
    left = tuple(rules(after))
    if _identity(finding) in map(_identity, left):
        return False
    known = _errors(rules(before))
    return all(identity in known and size <= known[identity] for identity, size in _errors(left).items())


def _errors(findings: Iterable[Finding]) -> dict[_Identity, float]:
    """How many bytes are missing, by error; 0 where it is not about bytes."""
    return {_identity(each): _missing(each) for each in findings if each.severity is Severity.ERROR}


def _identity(finding: Finding) -> _Identity:
    """What makes two findings the same one: a GPU's by the GPU, a model's by the model."""
    return finding.code, finding.gpu if finding.code.startswith("MEM") else finding.model


def _missing(finding: Finding) -> float:
    numbers = finding.numbers
    if finding.code == "MEM001":
        return numbers["needs_free_bytes"] - numbers["free_bytes"]
    return numbers["peak_bytes"] - numbers["total_bytes"] if finding.code == "MEM002" else 0
