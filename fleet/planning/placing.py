"""Where one more model is run: by its own entry if it may, else where most room is left."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable
from fleet.model import GpuId, Model
from fleet.planning.carry import Hand, best_fit
from fleet.startup import ModelStart

_MOST_TRIED = 24
"""GPUs that are asked whether a model fits there, those with most room first."""


def enabling(
    model: Model,
    inventory: Inventory,
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart],
    barred: frozenset[GpuId],
) -> tuple[Change, ...]:
    """The changes that run a disabled model where it fits; none where it fits nowhere.

    Args:
        model: As the inventory has it.
        inventory: The fleet it is to run in.
        totals: Measured bytes of GPUs.
        starts: What starts of models measured, by name.
        barred: GPUs that take nothing new.
    """
    hand = Hand(inventory, (model,), totals, starts, cordoned=barred)
    own: tuple[Change, ...] = (Enable(model.name),)
    if model.place and barred.isdisjoint(model.place.gpu_ids) and hand.judged(own).possible:
        return own
    verdicts = {gpu: hand.verdict(gpu) for gpu in _roomiest(inventory, totals, starts, barred)}
    best = best_fit(verdicts)
    return verdicts[best.gpu].changes if best else ()


def _roomiest(
    inventory: Inventory,
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart],
    barred: frozenset[GpuId],
) -> list[GpuId]:
    """The GPUs worth a try, those with most room first."""
    from fleet.findings.assess import assess  # the estimators; nobody needs them to name a model

    outlooks = assess(inventory, totals=totals, starts=starts, with_fixes=False).outlooks
    open_gpus = (gpu for gpu in inventory.gpu_ids if gpu not in barred)
    return sorted(open_gpus, key=lambda gpu: outlooks[gpu].resident_bytes - outlooks[gpu].total_bytes)[:_MOST_TRIED]
