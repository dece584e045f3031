"""What the fleet file says about findings: codes that do not count, and how bad others are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fleet.findings import Finding, Severity, Tense
from fleet.findings.registry import RULES
from fleet.inventory import Inventory
from fleet.model import Model


def sorted_out(
    inventory: Inventory, found: Iterable[Finding], tense: Tense, *, tells_idle: bool
) -> tuple[list[Finding], list[Finding]]:
    """(findings that count, findings that are ignored), each with the severity the fleet file gives its code.

    An ignore that no finding meets is a finding itself where ``tells_idle``, so that none outlives its reason; but not
    one of what only readings show, or what the autopilot would do, which comes and goes.
    """
    preferences = inventory.preferences
    severities = {code: Severity(word) for code, word in preferences.severity}
    counted: list[Finding] = []
    ignored: list[Finding] = []
    met: set[tuple[str | None, str]] = set()
    ignoring = [model for model in inventory.models if model.ignored]
    for finding in found:
        finding = replace(finding, severity=severities.get(finding.code, finding.severity))
        where = _ignored_by(inventory, ignoring, finding)
        if where is None:
            counted.append(finding)
        else:
            met.add(where)
            ignored.append(finding)
    if not tells_idle:
        return counted, ignored
    counted += [
        _idle(model, code, tense)
        for model, code in (
            *((None, code) for code in preferences.ignore),
            *((model.name, code) for model in ignoring for code, _ in model.ignored),
        )
        if (model, code) not in met and not code.startswith(("LIVE", "AUT"))
    ]
    return counted, ignored


def _ignored_by(inventory: Inventory, ignoring: Iterable[Model], finding: Finding) -> tuple[str | None, str] | None:
    """The model that ignores it, or the fleet (None); a finding about a GPU is met by any model on it."""
    if finding.code in inventory.preferences.ignore:
        return None, finding.code
    for model in ignoring:
        on_it = finding.gpu is not None and model.place is not None and finding.gpu in model.place.gpu_ids
        concerned = finding.model == model.name or (finding.model is None and on_it)
        if concerned and any(code == finding.code for code, _ in model.ignored):
            return model.name, finding.code
    return None


def _idle(model: str | None, code: str, tense: Tense) -> Finding:
    words = (
        f"{code} is ignored, and there is no such finding"
        if code in RULES
        else f"{code} is ignored, which is no finding gpudeck has"
    )
    return Finding(
        code="IGN001",
        severity=Severity.INFO,
        tense=tense,
        message=f"{words}.",
        headline=words,
        model=model,
    )
