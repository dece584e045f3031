"""LIVE009: models for which more requests come than they take."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.findings import Finding, Severity, Tense
from fleet.state import FleetState, ModelState

_FEW = 4
"""Requests waiting up to which a queue is only the batch being filled."""
_SHARE = 0.25
"""Of the requests at work, those that wait, from which it is one."""
_FULL_CACHE = 0.8
"""Share of the KV cache in use from which it is the cache that takes no more: engines keep some blocks back."""


def find(state: FleetState) -> Iterator[Finding]:
    """Each queue, and what it is that is full."""
    for model in state.models:
        waiting, running = model.engine.waiting or 0, model.engine.running or 0
        if model.model.enabled and waiting > max(_FEW, _SHARE * running):
            yield _finding(model, waiting, running)


def _finding(model: ModelState, waiting: int, running: int) -> Finding:
    usage = model.engine.kv_usage
    full = usage is not None and usage >= _FULL_CACHE
    cause = "its KV cache is full" if full else "it has as many at work as it takes"
    return Finding(
        code="LIVE009",
        severity=Severity.WARNING,
        tense=Tense.NOW,
        message=f"{waiting} requests wait for {model.name}, and {running} are at work: {cause}.",
        headline=f"requests queue, {cause}; where another copy fits: :try {model.name}",
        model=model.name,
        numbers=MappingProxyType({"waiting": waiting, "running": running}),
    )
