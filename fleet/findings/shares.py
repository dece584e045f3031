"""Utilizations: what a vLLM model has, what it would need, and the change that gives it another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleet.estimate import Outcome
from fleet.estimate.estimating import free_at_start, utilization
from fleet.estimate.measured import End
from fleet.findings import Fix
from fleet.findings.placement import Placement
from fleet.inventory.changes import SetArgument
from fleet.model import Model

FLAG = "gpu-memory-utilization"


def sufficient(placement: Placement, model: Model) -> float | None:
    """The smallest utilization, in hundredths, with which a model alone starts at the high end of every spread.

    None where even all that a lone process finds free would not do. Neighbours are the verification's concern.
    """
    accelerator = placement.accelerator_of(model)
    total = accelerator.total_bytes
    low = int(_current(placement, model) * 100)
    high = free_at_start(accelerator, total, 0, End.HIGH) * 100 // total
    if high <= low or not _starts(placement, model, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _starts(placement, model, middle) else (middle, high)
    return high / 100


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


def _starts(placement: Placement, model: Model, hundredths: int) -> bool:
    given = replace(model, args=model.args.replace(FLAG, hundredths / 100))
    return placement.reckon(given, End.HIGH).outcome is Outcome.STARTED
