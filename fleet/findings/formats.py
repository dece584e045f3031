"""Findings as other programs take them: GitHub's workflow commands, and SARIF 2.1.0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fleet.findings import Finding, Severity
from fleet.findings.registry import RULES

_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SARIF = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

Lines = Mapping[str, int]
"""The line of each model in the fleet file, from 1."""


def github(findings: Iterable[Finding], path: Path | None, lines: Lines) -> Iterator[str]:
    """One workflow command for each finding, which GitHub shows at its line of the fleet file."""
    for finding in findings:
        place = {"file": str(path)} if path else {}
        if finding.model in lines:
            place["line"] = str(lines[finding.model or ""])
        place["title"] = f"{finding.code} {finding.subject}"
        said = ",".join(f"{key}={_property(value)}" for key, value in place.items())
        yield f"::{_GITHUB[finding.severity]} {said}::{_data(_message(finding))}"


def sarif(
    findings: Iterable[Finding], ignored: Iterable[Finding], path: Path | None, lines: Lines, version: str
) -> dict[str, Any]:
    """A SARIF log of one run; what the fleet file ignores is in it, as suppressed."""
    results = [_result(finding, path, lines) for finding in findings]
    results += [{**_result(finding, path, lines), "suppressions": [{"kind": "inSource"}]} for finding in ignored]
    rules = [
        {
            "id": rule.code,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.how},
            "defaultConfiguration": {"level": _SARIF[rule.severity]},
        }
        for rule in RULES.values()
    ]
    driver = {"name": "gpudeck", "version": version, "rules": rules}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(finding: Finding, path: Path | None, lines: Lines) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": finding.code,
        "level": _SARIF[finding.severity],
        "message": {"text": _message(finding)},
        "properties": {"numbers": dict(finding.numbers), "tense": str(finding.tense)},
    }
    if path:
        where: dict[str, Any] = {"artifactLocation": {"uri": path.as_posix()}}
        if finding.model in lines:
            where["region"] = {"startLine": lines[finding.model or ""]}
        found["locations"] = [{"physicalLocation": where}]
    return found


def _message(finding: Finding) -> str:
    fixes = "; ".join(fix.summary for fix in finding.fixes)
    return f"{finding.message} Fix: {fixes}." if fixes else finding.message


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
