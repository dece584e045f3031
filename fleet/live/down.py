"""LIVE010: models that failed, or end by themselves and are started again by their service manager."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.findings import Finding, Severity, Tense
from fleet.state import FleetState, ModelState, ModelWord


def find(state: FleetState) -> Iterator[Finding]:
    """Each of them, and why in the engine's words. One that somebody stopped is no fault."""
    for model in state.models:
        if model.model.enabled and (model.word is ModelWord.FAILED or model.comes_up_again):
            yield _finding(model)


def _finding(model: ModelState) -> Finding:
    words = "ended by itself and is being started again" if model.comes_up_again else "failed"
    why = model.why_not_up or _manager_says(model)
    restarts = model.service.restarts if model.service else 0
    return Finding(
        code="LIVE010",
        severity=Severity.ERROR if model.word is ModelWord.FAILED or model.why_not_up else Severity.WARNING,
        tense=Tense.NOW,
        message=f"{model.name} {words}: {why}",
        headline=f"{words}: {why}",
        model=model.name,
        numbers=MappingProxyType({"restarts": restarts}),
    )


def _manager_says(model: ModelState) -> str:
    result = model.service.result if model.service else ""
    ended = f"it ended with {result}, and " if result not in ("", "success") else ""
    return f"{ended}its log may say why."
