"""AUT001: what the autopilot would do, and what it would do if it could."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.autopilot.proposing import Proposal
from fleet.findings import Finding, Fix, Severity, Tense
from fleet.findings.ignoring import sorted_out
from fleet.inventory import Inventory
from fleet.inventory.changes import sentence


def findings(proposal: Proposal, inventory: Inventory) -> tuple[Finding, ...]:
    """Its act, whose fix stages the changes; then what it declines. Less what the fleet file ignores."""
    counted, _ = sorted_out(inventory, _found(proposal, inventory), Tense.NOW, tells_idle=False)
    return tuple(counted)


def _found(proposal: Proposal, inventory: Inventory) -> Iterator[Finding]:
    act = proposal.act
    if act is not None:
        fix = Fix(", ".join(map(sentence, act.changes)), act.changes)
        yield _finding(act.sentence, act.models[-1], fix)
    names = {model.name for model in inventory.models}
    for subject, words in proposal.declined.items():
        yield _finding(words, subject if subject in names else None)


def _finding(words: str, model: str | None, *fixes: Fix) -> Finding:
    return Finding("AUT001", Severity.INFO, Tense.NOW, words, words.rstrip("."), model=model, fixes=fixes)
