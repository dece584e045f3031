"""More of its GPUs for a model whose KV cache is full: the largest share with which everything there still fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleet.inventory import Inventory
from fleet.inventory.changes import Change, SetArgument
from fleet.model import GpuId, Model
from fleet.planning.carry import Fit, Hand
from fleet.startup import ModelStart

_KEPT_FREE = 0.02
"""Share of a GPU that is left alone, for what the estimates do not know."""
_WORTH = 1.25
"""Times the tokens from which on a larger cache is worth a restart."""
_STEPS = 5
"""Shares that are tried, a hundredth apart."""


class Wider(NamedTuple):
    """A larger share of its GPUs, and what the model's cache gains by it."""

    share: float
    times: float
    """Tokens its KV cache then holds, as a multiple of what it holds now."""
    changes: tuple[Change, ...]


def widening(
    model: Model, inventory: Inventory, totals: Mapping[GpuId, int], starts: Mapping[str, ModelStart]
) -> Wider | None:
    """The largest utilization with which a vLLM model and its neighbours fit; None where it would gain little.

    Args:
        model: As the inventory has it; it is placed.
        inventory: The fleet it runs in.
        totals: Measured bytes of GPUs.
        starts: What starts of models measured, by name.
    """
    from fleet.estimate.estimating import utilization  # the estimators; nobody needs them to name a model
    from fleet.findings.assess import assess
    from fleet.findings.shares import FLAG

    if model.engine.name != "vllm" or model.place is None:
        return None
    now = assess(inventory, totals=totals, starts=starts, with_fixes=False)
    tokens = now.estimates[model.name].kv_cache_tokens
    left = min(now.outlooks[gpu].spare_bytes / now.outlooks[gpu].total_bytes for gpu in model.place.gpu_ids)
    most = int((utilization(model, inventory.host(model.place.host).accelerator) + left - _KEPT_FREE) * 100)
    hand = Hand(inventory, (model,), totals, starts)
    for hundredths in range(most, most - _STEPS, -1):
        changes = (SetArgument(model.name, FLAG, hundredths / 100),)
        verdict = hand.judged(changes)
        if verdict.fit is Fit.FITS and verdict.after and tokens:
            times = (verdict.after.estimates[model.name].kv_cache_tokens or 0) / tokens
            return Wider(hundredths / 100, times, changes) if times >= _WORTH else None
    return None
