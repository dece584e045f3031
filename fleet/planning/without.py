"""What the loss of GPUs would come to, once everything that has another place is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fleet.findings import Tense
from fleet.findings.assess import Assessment, assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Disable, apply
from fleet.model import GpuId
from fleet.planning.carry import Hand, Verdict, nearest_miss
from fleet.startup import ModelStart


@dataclass(frozen=True, slots=True)
class Loss:
    """A fleet that has lost GPUs."""

    after: Assessment
    """With what has another place there, and the rest disabled."""
    homeless: Mapping[str, tuple[GpuId, int] | None]
    """Models without another place, each with the GPU where least is missing, and how many bytes; None if unknown."""
    roles: tuple[str, ...]
    """Roles that no model would have any more."""


def loss_of(
    gpus: Collection[GpuId],
    inventory: Inventory,
    moves: Iterable[Change],
    unplaced: Collection[str],
    *,
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart] | None = None,
    cordoned: Collection[GpuId] = (),
) -> Loss:
    """What is left without these GPUs, after moves off them and without the models no place was found for."""
    left = apply(inventory, (*moves, *map(Disable, unplaced)))
    homeless = {}
    for name in unplaced:
        verdicts = Hand(left, (left.model(name),), totals, starts, cordoned=cordoned).verdicts
        homeless[name] = nearest_miss({gpu: v for gpu, v in verdicts.items() if not _touches(v, name, gpus)})
    roles = dict.fromkeys(model.role for model in inventory.placed if model.role)
    kept = {model.role for model in left.placed}
    return Loss(
        assess(left, tense=Tense.WHAT_IF, totals=totals, starts=starts, with_fixes=False),
        homeless,
        tuple(role for role in roles if role not in kept),
    )


def _touches(answer: Verdict, name: str, gpus: Collection[GpuId]) -> bool:
    place = answer.after.inventory.model(name).place if answer.after else None
    return place is not None and not set(place.gpu_ids).isdisjoint(gpus)
