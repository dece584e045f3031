"""Every kind of finding: its code, what it means, why it matters, how to end it, where the rule comes from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fleet.findings import Severity
from fleet.findings.rules import Rule, live, prechecks, starts, wishes

_AUTOPILOT = Rule(
    "AUT001",
    Severity.INFO,
    "what the autopilot would do",
    "The fleet file leaves models or roles to the autopilot, and by what the console has seen since it was opened it "
    "would load or unload one now; or it would, and a limit or the room on the GPUs keeps it from that.",
    "Stage it, or let `gpudeck autopilot --act` do such things by itself; where it is not what you want, change "
    "autopilot: of the fleet file.",
    "autopilot: of the fleet file; hours, and running and waiting requests and KV caches in use",
)
_IGNORED = Rule(
    "IGN001",
    Severity.INFO,
    "an ignore that ignores nothing",
    "The fleet file says a finding does not count, and there is none. It may hide the next one.",
    "Take it away.",
    "findings: and ignore: of the fleet file",
)

_ALL = (*starts.RULES, *wishes.RULES, *live.RULES, *prechecks.RULES, _AUTOPILOT, _IGNORED)
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""By code."""
