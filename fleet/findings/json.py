"""Findings as JSON: one serializer for every command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.findings import Finding
from fleet.inventory.changes import assignments


def findings_json(findings: Iterable[Finding], ignored: Iterable[Finding]) -> dict[str, Any]:
    """The ``gpudeck/check/1`` document."""
    return {
        "schema": "gpudeck/check/1",
        "findings": [finding_json(finding) for finding in findings],
        "ignored": [finding_json(finding) for finding in ignored],
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """One finding; sizes in bytes under keys ending ``_bytes``."""
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "tense": str(finding.tense),
        "model": finding.model,
        "gpu": str(finding.gpu) if finding.gpu else None,
        "host": finding.host,
        "message": finding.message,
        "numbers": dict(finding.numbers),
        "fixes": [{"summary": fix.summary, "set": dict(assignments(fix.changes))} for fix in finding.fixes],
    }
