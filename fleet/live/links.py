"""LIVE005: hosts whose readings have stopped coming."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.findings import Finding, Severity, Tense
from fleet.readings import Link
from fleet.state import FleetState

_WORDS = {
    Link.STALE: (Severity.WARNING, "'s ", "readings are late"),
    Link.LOST: (Severity.ERROR, " is ", "lost; what is shown is its last reading"),
    Link.UNREACHABLE: (Severity.ERROR, " is ", "not reached"),
}
"""How bad it is, what makes the headline a sentence behind the host's name, and the headline."""


def find(state: FleetState) -> Iterator[Finding]:
    """Each host that is not live. The age is the panes' to show: a sentence that changes is a sentence drawn again."""
    for host in state.hosts:
        if host.link in _WORDS:
            severity, joint, words = _WORDS[host.link]
            headline = f"{words}: {host.reason}" if host.reason else f"{words}."
            yield Finding(
                code="LIVE005",
                severity=severity,
                tense=Tense.NOW,
                message=f"{host.name}{joint}{headline}",
                headline=headline,
                host=host.name,
            )
