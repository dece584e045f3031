"""Utilizations: what vLLM models have, and the changes that give them smaller ones."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.estimate.estimating import utilization
from fleet.findings import Fix
from fleet.findings.placement import Placement
from fleet.inventory.changes import SetArgument
from fleet.model import Model

FLAG = "gpu-memory-utilization"


def lowerings(placement: Placement, models: Sequence[Model], excess: int, total: int) -> tuple[Fix, ...]:
    """Smaller utilizations that free ``excess`` bytes of a GPU of ``total``, each model giving the same.

    The second is a hundredth smaller still, for what the sizes outside the shares add.
    """
    steps = -(-excess * 100 // (total * len(models)))
    return tuple(
        _lowering(placement, models, each)
        for each in (steps, steps + 1)
        if all(_current(placement, model) * 100 - each >= 1 for model in models)
    )


def _lowering(placement: Placement, models: Sequence[Model], steps: int) -> Fix:
    smaller = [int(_current(placement, model) * 100 - steps + 1e-6) / 100 for model in models]
    words = " + ".join(f"{model.name} {share}" for model, share in zip(models, smaller, strict=True))
    return Fix(
        f"utilization {words}",
        tuple(SetArgument(model.name, FLAG, share) for model, share in zip(models, smaller, strict=True)),
    )


def _current(placement: Placement, model: Model) -> float:
    return utilization(model, placement.accelerator_of(model), placement.version_of(model))
