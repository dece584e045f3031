"""Engines with no model of their own: the memory the operator declared."""

from __future__ import annotations

from fleet.estimate import Estimate, GpuShare, Outcome
from fleet.estimate.measured import End
from fleet.hardware import Accelerator
from fleet.model import Model


def estimate(model: Model, accelerator: Accelerator, gpus: int, end: End) -> Estimate:
    """The declared bytes on each GPU of the place; 0, with a note, where nothing was declared.

    Whether the figure a person wrote down holds the process's runtime context nobody knows: the high end adds it.
    """
    held = model.memory_bytes or 0
    context = accelerator.context_bytes if end is End.HIGH and held else 0
    share = GpuShare(held, 0, 0, 0, context, held + context, held + context)
    return Estimate(model.name, (share,) * gpus, Outcome.STARTED, basis="declared", notes=(_note(model),))


def _note(model: Model) -> str:
    if model.memory_bytes:
        return "What it does beside others is not known; it is taken to hold what was declared, whatever is free."
    return f"{model.name} declares no memory; it counts as none."
