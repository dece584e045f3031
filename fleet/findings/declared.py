"""MEM003: memory declared by hand that the model's own shape contradicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fleet.estimate.estimating import estimate
from fleet.findings import Finding, Severity
from fleet.findings.placement import Placement
from fleet.units import gib_text

_TOLERATED = 0.25
_NEGLIGIBLE = 1 << 30


def find(placement: Placement) -> Iterator[Finding]:
    """Models whose ``memory:`` is further from what their source makes than a quarter, and than a GiB."""
    for model in placement.inventory.placed:
        if not model.memory_bytes or not model.source:
            continue
        reckoned = estimate(replace(model, memory_bytes=None), placement.accelerator_of(model))
        if reckoned.basis in ("declared", "budget") or not reckoned.shares:
            continue
        size, declared = max(share.total_bytes for share in reckoned.shares), model.memory_bytes
        apart = abs(size - declared)
        if apart <= max(_TOLERATED * size, _NEGLIGIBLE):
            continue
        words = f"memory: says {gib_text(declared)}, {model.source} makes {gib_text(size)}"
        numbers = {"declared_bytes": declared, "estimate_bytes": size}
        yield placement.finding("MEM003", Severity.WARNING, model, words, **numbers)
