"""MEM001: the engine's free-memory check fails beside the neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.estimate import Reason
from fleet.estimate.estimating import free_at_start
from fleet.estimate.measured import End
from fleet.findings import Finding, Fix, Severity, Tense
from fleet.findings.moving import moves
from fleet.findings.placement import Placement
from fleet.findings.shares import lowerings
from fleet.model import GpuId, Model
from fleet.units import gib, gib_text


def find(placement: Placement) -> Iterator[Finding]:
    """GPUs on which a model would not start while its neighbours hold what they take.

    One finding a GPU, about the last such model of the fleet file: the one an operator would start last.
    """
    for gpu in placement.outlooks:
        refused = [model for model in placement.on(gpu) if _missing(placement, model, gpu) > 0]
        if refused:
            yield _finding(placement, refused[-1], gpu)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """A smaller share for it, smaller shares for all, another GPU."""
    assert finding.gpu is not None, "found on a GPU"
    model = placement.model(finding.model)
    outlook = placement.outlooks[finding.gpu]
    others = sum(share.high_bytes for name, share in outlook.shares if name != model.name)
    needs = placement.estimates[model.name].needs_free_bytes or 0
    missing = needs - free_at_start(placement.accelerator_of(model), outlook.total_bytes, others, End.HIGH)
    yield lowerings(placement, [model], missing, outlook.total_bytes)
    sharing = [other for other in placement.on(finding.gpu) if other.engine.name == "vllm"]
    if len(sharing) > 1:
        yield lowerings(placement, sharing, missing, outlook.total_bytes)
    yield moves(placement, model)


def _missing(placement: Placement, model: Model, gpu: GpuId) -> int:
    """Bytes that would have to be free for it to start there, beyond those that are."""
    needs = placement.estimates[model.name].needs_free_bytes
    return 0 if needs is None else needs - _free(placement, model, gpu)


def _free(placement: Placement, model: Model, gpu: GpuId) -> int:
    outlook = placement.outlooks[gpu]
    others = outlook.peak_without(model.name) - outlook.driver_bytes
    accelerator = placement.accelerator_of(model)
    return free_at_start(accelerator, outlook.total_bytes, others, placement.end or End.CENTRAL)


def _finding(placement: Placement, model: Model, gpu: GpuId) -> Finding:
    needs, free = placement.estimates[model.name].needs_free_bytes or 0, _free(placement, model, gpu)
    beside = [name for name, _ in placement.outlooks[gpu].shares if name != model.name]
    again = " again" if placement.tense is Tense.NOW else ""
    where = f" beside {', '.join(beside)}" if beside else ""
    headline = f"will not start{again}{where}: needs {gib_text(needs)} free, {gib(free)} are"
    refusal = placement.beside(model).refusal
    said = refusal.sentence if refusal and refusal.reason is Reason.NOT_ENOUGH_FREE else ""
    return Finding(
        code="MEM001",
        severity=Severity.ERROR,
        tense=placement.tense,
        message=f"{model.name} {headline}. {said}".rstrip(),
        headline=headline,
        model=model.name,
        gpu=gpu,
        numbers=MappingProxyType({"needs_free_bytes": needs, "free_bytes": free}),
    )
