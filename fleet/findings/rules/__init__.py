"""Kinds of findings, as data: a module for each family of them. `fleet.findings.registry` has them all."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding, as `gpudeck explain` tells it."""

    code: str
    severity: Severity
    """Its usual severity; a single finding may be milder."""
    title: str
    why: str
    how: str
    source: str
