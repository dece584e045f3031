"""Every kind of finding: its code, what it means, why it matters, how to end it, where the rule comes from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fleet.findings import Severity
from fleet.findings.rules import Rule, live, prechecks, starts, wishes

_IGNORED = Rule(
    "IGN001",
    Severity.INFO,
    "an ignore that ignores nothing",
    "The fleet file says a finding does not count, and there is none. It may hide the next one.",
    "Take it away.",
    "findings: and ignore: of the fleet file",
)

_ALL = (*starts.RULES, *wishes.RULES, *live.RULES, *prechecks.RULES, _IGNORED)
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""By code."""
