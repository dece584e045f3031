"""LIVE007: what a model or a GPU came to under load, of the room there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fleet.findings import Finding, Severity, Tense
from fleet.model import GpuId
from fleet.state import FleetState
from fleet.units import gib_text

_FULL_GPU = 0.985
"""Share of a GPU's memory in use at which the next allocation may be the one that fails."""
_FULL_CACHE = 0.95
"""Share of a KV cache in use at which an engine is about to put requests back, if it has not yet."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The highest that was recorded over some hours."""

    hours: int = 24
    used_bytes: Mapping[GpuId, int] = field(default_factory=lambda: MappingProxyType({}))
    kv_usage: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """By model, 0..1."""
    watts: Mapping[GpuId, float] = field(default_factory=lambda: MappingProxyType({}))
    """Only of GPUs that say it."""


def find(state: FleetState, peaks: Peaks) -> Iterator[Finding]:
    """GPUs and caches that were nearly full."""
    for gpu in state.gpus:
        used = peaks.used_bytes.get(gpu.gpu, 0)
        if used >= _FULL_GPU * gpu.total_bytes:
            left = max(0, gpu.total_bytes - used)
            words = f"came within {gib_text(left)} of its memory in the last {peaks.hours} h"
            yield replace(_finding(gpu.gpu, words, peak_bytes=used, total_bytes=gpu.total_bytes), gpu=gpu.gpu)
    for model in state.models:
        usage = peaks.kv_usage.get(model.name, 0.0)
        if model.model.enabled and usage >= _FULL_CACHE:
            words = f"filled its KV cache to {usage:.0%} in the last {peaks.hours} h"
            yield replace(_finding(model.name, words, kv_usage=usage), model=model.name)


def _finding(about: GpuId | str, words: str, **numbers: float) -> Finding:
    return Finding(
        "LIVE007", Severity.WARNING, Tense.NOW, f"{about} {words}.", words, numbers=MappingProxyType(numbers)
    )
