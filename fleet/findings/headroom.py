"""MEM005 to MEM007, POL002: memory nobody can use, two starts quarrel over, is nearly gone, or was to stay free."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.findings import Finding, Fix, Severity
from fleet.findings.assessment import GpuOutlook
from fleet.findings.placement import Placement
from fleet.findings.shares import FLAG
from fleet.inventory.changes import SetArgument
from fleet.model import GpuId
from fleet.units import gib_text

_THIN = 0.02
"""Share of a GPU below which what is left is next to nothing."""
_STRANDED = 0.15
"""Share of a GPU from which on what is left could be a cache."""
_SHORT = 2.0
"""Sequences of the largest length below which a cache is worth enlarging."""


def find_thin(placement: Placement) -> Iterator[Finding]:
    """GPUs of several models on which the high end of the estimates leaves next to nothing."""
    for gpu, outlook in placement.outlooks.items():
        left = outlook.spare_bytes
        if len(outlook.shares) > 1 and 0 <= left < _THIN * outlook.total_bytes:
            words = f"{gib_text(left)} left at the high end of the estimates"
            yield placement.finding("MEM007", Severity.WARNING, gpu, words, left_bytes=left)


def find_short(placement: Placement) -> Iterator[Finding]:
    """GPUs in use that keep less free than the operators agreed on."""
    agreed = placement.inventory.policy.headroom_bytes
    for gpu, outlook in placement.outlooks.items() if agreed else ():
        left = outlook.spare_bytes
        if agreed and outlook.shares and 0 <= left < agreed:
            words = f"{gib_text(left)} left at the high end of the estimates, and {gib_text(agreed)} are to stay free"
            numbers = {"left_bytes": left, "headroom_bytes": agreed}
            yield placement.finding("POL002", Severity.WARNING, gpu, words, **numbers)


def find(placement: Placement) -> Iterator[Finding]:
    """GPUs whose memory is stranded beside a short cache, and those where two starts at once would go wrong."""
    for gpu, outlook in placement.outlooks.items():
        yield from _stranded(placement, gpu, outlook)
        measuring = [
            model.name
            for model in placement.on(gpu)
            if model.engine.name == "vllm" and placement.estimates[model.name].needs_free_bytes is not None
        ]
        if len(measuring) > 1:
            words = f"{' and '.join(measuring)} measure each other's memory where they start at the same time"
            yield placement.finding("MEM005", Severity.INFO, gpu, words)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """The stranded memory to the model that could use it."""
    if finding.code != "MEM006" or finding.gpu is None:
        return
    (model,) = placement.on(finding.gpu)
    outlook = placement.outlooks[finding.gpu]
    share = int((1 - _THIN - outlook.driver_bytes / outlook.total_bytes) * 100) / 100
    yield (Fix(f"utilization {share}", (SetArgument(model.name, FLAG, share),)),)


def _stranded(placement: Placement, gpu: GpuId, outlook: GpuOutlook) -> Iterator[Finding]:
    models = placement.on(gpu)
    left = outlook.spare_bytes
    if len(models) != 1 or models[0].engine.name != "vllm" or left < _STRANDED * outlook.total_bytes:
        return
    concurrency = placement.estimates[models[0].name].max_concurrency
    if concurrency is not None and concurrency < _SHORT:
        words = f"{gib_text(left)} free beside {models[0].name}, whose cache holds {concurrency:.1f} long sequences"
        yield placement.finding("MEM006", Severity.INFO, gpu, words, left_bytes=left)
