"""POL001: utilizations unlike what the operators agreed on for models of that size."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.architecture.catalogue import find as find_architecture
from fleet.architecture.parameters import parameters
from fleet.estimate.estimating import utilization
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.findings.shares import FLAG
from fleet.inventory.changes import SetArgument
from fleet.model import Model

_MOST = 0.98
"""Of a GPU, for the shares of all its models: their contexts need the rest."""


def find(placement: Placement) -> Iterator[Finding]:
    """vLLM models that share a GPU and have a utilization outside the band of their size.

    One alone on its GPU may take what it likes.
    """
    for model in placement.inventory.placed:
        band = _band(placement, model)
        if band is None or not _shares_a_gpu(placement, model):
            continue
        share = _share(placement, model)
        low, high = band
        if not low <= share <= high:
            agreed = f"{low}" if low == high else f"{low} to {high}"
            words = f"utilization {share} where the policy for its size is {agreed}"
            numbers = {"utilization": share, "policy_low": low, "policy_high": high}
            yield placement.finding("POL001", Severity.INFO, model, words, **numbers)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """The nearest share the policy has, where the model still starts with it and its neighbours leave it room."""
    share, low, high = (finding.numbers[key] for key in ("utilization", "policy_low", "policy_high"))
    nearest = low if share < low else high
    model = placement.model(finding.model)
    assert model.place is not None, "only placed models are assessed"
    others = max(
        sum(_share(placement, other) for other in placement.on(gpu) if other is not model)
        for gpu in model.place.gpu_ids
    )
    if others + nearest > _MOST:
        return
    yield (Fix(f"utilization {nearest}", (SetArgument(finding.model or "", FLAG, nearest),)),)


def _band(placement: Placement, model: Model) -> tuple[float, float] | None:
    known = find_architecture(model.source) if model.source and model.engine.name == "vllm" else None
    if known is None:
        return None
    billions = parameters(known) / 1e9
    for size_class in placement.inventory.policy.sizes:
        if size_class.below_billions is None or billions < size_class.below_billions:
            return size_class.low, size_class.high
    return None


def _share(placement: Placement, model: Model) -> float:
    if model.engine.name != "vllm":
        return 0.0
    return utilization(model, placement.accelerator_of(model), placement.version_of(model))


def _shares_a_gpu(placement: Placement, model: Model) -> bool:
    assert model.place is not None, "only placed models are assessed"
    return any(len(placement.on(gpu)) > 1 for gpu in model.place.gpu_ids)
