"""LIVE008: what an operator should know of a host though it answers."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.findings import Finding, Severity, Tense
from fleet.state import FleetState


def find(state: FleetState) -> Iterator[Finding]:
    """Each remark once, at the first host it is made of: hosts share their ssh configuration."""
    hosts: dict[str, str] = {}
    for host in state.hosts:
        for remark in host.remarks:
            hosts.setdefault(remark, host.name)
    for remark, name in hosts.items():
        yield Finding(
            code="LIVE008", severity=Severity.INFO, tense=Tense.NOW, message=remark, headline=remark, host=name
        )
