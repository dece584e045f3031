"""LIVE005: hosts whose readings have stopped coming."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.findings import Finding, Severity, Tense
from fleet.readings import Link
from fleet.state import FleetState

_WORDS = {
    Link.STALE: (Severity.WARNING, "readings are late"),
    Link.LOST: (Severity.ERROR, "lost; what is shown is its last reading"),
    Link.UNREACHABLE: (Severity.ERROR, "not reached"),
}


def find(state: FleetState) -> Iterator[Finding]:
    """Each host that is not live. The age is the panes' to show: a sentence that changes is a sentence drawn again."""
    for host in state.hosts:
        if host.link in _WORDS:
            severity, words = _WORDS[host.link]
            headline = f"{words}: {host.reason}" if host.reason else f"{words}."
            yield Finding(
                code="LIVE005",
                severity=severity,
                tense=Tense.NOW,
                message=f"{host.name} {headline}",
                headline=headline,
                host=host.name,
            )
