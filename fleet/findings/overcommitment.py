"""MEM002: the models of a GPU hold, or may hold, more than it has."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.estimate import Outcome
from fleet.findings import Finding, Fix, Severity
from fleet.findings.assessment import GpuOutlook
from fleet.findings.moving import moves
from fleet.findings.placement import Placement
from fleet.findings.shares import lowerings
from fleet.model import GpuId, Model
from fleet.units import gib, gib_text


def find(placement: Placement) -> Iterator[Finding]:
    """GPUs that hold more than they have: at rest, or only at the peak or the high end of the spread."""
    for gpu, outlook in placement.outlooks.items():
        oom = any(placement.estimates[name].outcome is Outcome.OOM for name, _ in outlook.shares)
        if oom or outlook.resident_bytes > outlook.total_bytes:
            yield _finding(placement, gpu, outlook, Severity.ERROR)
        elif outlook.shares and outlook.spare_bytes < 0:
            yield _finding(placement, gpu, outlook, Severity.WARNING)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """A smaller share for the model with most cache to spare, smaller shares for all, another GPU for one."""
    assert finding.gpu is not None, "found on a GPU"
    outlook = placement.outlooks[finding.gpu]
    excess = -outlook.spare_bytes
    models = placement.on(finding.gpu)
    sharing = [model for model in models if model.engine.name == "vllm"]
    roomiest = sorted(sharing, key=lambda model: -(placement.estimates[model.name].max_concurrency or 0))
    yield tuple(fix for model in roomiest for fix in lowerings(placement, [model], excess, outlook.total_bytes))
    if len(sharing) > 1:
        yield lowerings(placement, sharing, excess, outlook.total_bytes)
    yield tuple(
        fix for model in sorted(models, key=lambda each: _size(outlook, each)) for fix in moves(placement, model)
    )


def _size(outlook: GpuOutlook, model: Model) -> int:
    return sum(share.total_bytes for name, share in outlook.shares if name == model.name)


def _finding(placement: Placement, gpu: GpuId, outlook: GpuOutlook, severity: Severity) -> Finding:
    total, rest, peak, high = (outlook.total_bytes, outlook.resident_bytes, outlook.peak_bytes, outlook.high_bytes)
    if severity is Severity.ERROR and rest > total:
        words = f"over-committed: {gib(rest)} of {gib_text(total)} at rest"
    elif severity is Severity.ERROR:
        words = f"over-committed: loading peaks at {gib(peak)} of {gib_text(total)}"
    elif peak > total:
        words = f"rests at {gib(rest)}, peaks at {gib(peak)} of {gib_text(total)}"
    else:
        words = f"peaks at {gib(peak)}, may reach {gib(high)} of {gib_text(total)}"
    return Finding(
        code="MEM002",
        severity=severity,
        tense=placement.tense,
        message=f"{gpu} {words}, with {', '.join(name for name, _ in outlook.shares)}.",
        headline=words,
        gpu=gpu,
        numbers=MappingProxyType(
            {"total_bytes": total, "resident_bytes": rest, "peak_bytes": peak, "high_bytes": high}
        ),
    )
