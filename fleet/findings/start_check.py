"""MEM001: the engine's free-memory check fails beside the neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.estimate.estimating import free_at_start
from fleet.findings import Finding, Fix, Severity, Tense
from fleet.findings.moving import moves
from fleet.findings.placement import Placement
from fleet.findings.shares import current, setting
from fleet.model import GpuId, Model
from fleet.units import gib_text

_MOST_LOWERED = 20
"""Hundredths of utilization that lowering several models at once may cost each of them."""


def find(placement: Placement) -> Iterator[Finding]:
    """GPUs on which a model would not start again while its neighbours hold what they take.

    One finding a GPU, about the last such model of the fleet file: the one an operator would start last.
    """
    for gpu in placement.outlooks:
        refused = [model for model in placement.on(gpu) if _missing(placement, model, gpu) > 0]
        if refused:
            yield _finding(placement, refused[-1], gpu)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """A smaller share for it, smaller shares for all, another GPU."""
    assert finding.gpu is not None, "found on a GPU"
    model = placement.inventory.model(finding.model or "")
    hundredths = int(current(placement, model) * 100)
    yield tuple(_lowering(placement, [model], steps) for steps in range(1, min(_MOST_LOWERED, hundredths)))
    sharing = [other for other in placement.on(finding.gpu) if other.engine.name == "vllm"]
    if len(sharing) > 1:
        yield tuple(_lowering(placement, sharing, steps) for steps in range(1, _MOST_LOWERED // 2))
    yield moves(placement, model)
