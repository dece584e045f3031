"""Utilizations: what a vLLM model has, what it would need, and the change that gives it another."""

from __future__ import annotations

from dataclasses import replace

from fleet.estimate import Outcome
from fleet.estimate.estimating import free_at_start, utilization
from fleet.estimate.measured import End
from fleet.findings.placement import Placement
from fleet.inventory.changes import SetArgument
from fleet.model import Model

FLAG = "gpu-memory-utilization"


def current(placement: Placement, model: Model) -> float:
    """The utilization a model is given, or its version's default."""
    return utilization(model, placement.accelerator_of(model), placement.version_of(model))


def setting(model: Model, hundredths: int) -> SetArgument:
    """The change that gives a model so many hundredths of its GPUs."""
    return SetArgument(model.name, FLAG, hundredths / 100)


def sufficient(placement: Placement, model: Model) -> int | None:
    """The smallest utilization, in hundredths, with which a model alone starts at the high end of every spread.

    None where even all that a lone process finds free would not do. Neighbours are the verification's concern.
    """
    accelerator = placement.accelerator_of(model)
    total = accelerator.total_bytes
    low = int(current(placement, model) * 100)
    high = free_at_start(accelerator, total, 0, End.HIGH) * 100 // total
    if high <= low or not _starts(placement, model, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _starts(placement, model, middle) else (middle, high)
    return high


def _starts(placement: Placement, model: Model, hundredths: int) -> bool:
    given = replace(model, args=model.args.replace(FLAG, hundredths / 100))
    return placement.reckon(given, End.HIGH).outcome is Outcome.STARTED
