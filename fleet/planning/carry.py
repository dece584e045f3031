"""What every GPU says to a model that is carried over it, before anything is staged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet.errors import UsageError
from fleet.findings import Finding, Severity, Tense
from fleet.findings.assessment import Assessment
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable, Move, apply
from fleet.model import GpuId, Model, Place
from fleet.startup import ModelStart


class Fit(StrEnum):
    """How well a model fits a place."""

    FITS = "fits"
    TIGHT = "tight"
    """It starts, but a peak or the high end of the spread would not fit."""
    SHORT = "short"
    REFUSED = "refused"
    """There is memory, but the engine would refuse to start there."""
    PARTITION = "partition"
    """The place does not exist: too few GPUs from there on."""
    CORDONED = "cordoned"
    """Nothing new is placed there."""
    HERE = "here"
    """Where it is already."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One GPU's answer to a carried model."""

    fit: Fit
    size_bytes: int
    """What stays free, or what is missing."""
    changes: tuple[Change, ...] = ()
    """What dropping it there stages."""
    after: Assessment | None = None

    @property
    def possible(self) -> bool:
        """Whether a drop here would start."""
        return self.fit in (Fit.FITS, Fit.TIGHT)


def drop(inventory: Inventory, model: Model, gpu: GpuId) -> tuple[Change, ...]:
    """The changes that put the model on that GPU: as many GPUs as it has now (or asks for), from there on.

    Raises UsageError where the host has too few GPUs left.
    """
    count = len(model.place.gpus) if model.place else max(1, model.args.integer("tensor-parallel-size", 1))
    host = inventory.host(gpu.host)
    if gpu.index + count > host.gpus:
        raise UsageError(
            f"{model.name} takes {count} GPUs; from {gpu} on {host.name} has {host.gpus - gpu.index} left.",
            f"Drop it on {host.name}/{max(0, host.gpus - count)} or below.",
        )
    place = Place(gpu.host, tuple(range(gpu.index, gpu.index + count)))
    changes: list[Change] = []
    if place != model.place:
        changes.append(Move(model.name, place))
    if not model.enabled:
        changes.append(Enable(model.name))
    return tuple(changes)


def verdict(
    inventory: Inventory,
    model: Model,
    gpu: GpuId,
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart] | None = None,
    cordoned: Collection[GpuId] = (),
) -> Verdict:
    """What happens if the model is dropped on that GPU, everything else as in the inventory.

    Nothing is dropped on GPUs that are ``cordoned``, where it is not already.
    """
    try:
        changes = drop(inventory, model, gpu)
    except UsageError:
        return Verdict(Fit.PARTITION, 0)
    if not changes:
        return Verdict(Fit.HERE, 0)
    if _is_barred(model, changes, cordoned):
        return Verdict(Fit.CORDONED, 0)
    from fleet.findings.assess import assess  # the estimators; the first screen is painted without them

    after = assess(apply(inventory, changes), tense=Tense.DRAFT, totals=totals, starts=starts)
    place = after.inventory.model(model.name).place
    assert place is not None, "a drop gives the model a place"
    outlooks = [after.outlooks[target] for target in place.gpu_ids]
    tightest = min(outlooks, key=lambda outlook: outlook.total_bytes - outlook.peak_bytes)
    spare = tightest.total_bytes - tightest.peak_bytes
    errors = [finding for finding in about(after, model.name, place) if finding.severity is Severity.ERROR]
    missing = max((outlook.resident_bytes - outlook.total_bytes for outlook in outlooks), default=0)
    if missing > 0:
        return Verdict(Fit.SHORT, missing, changes, after)
    if errors:
        needed = max((_missing(finding) for finding in errors), default=0)
        return Verdict(Fit.SHORT if needed > 0 else Fit.REFUSED, needed, changes, after)
    if spare < 0 or any(outlook.high_bytes > outlook.total_bytes for outlook in outlooks):
        return Verdict(Fit.TIGHT, tightest.total_bytes - tightest.resident_bytes, changes, after)
    return Verdict(Fit.FITS, spare, changes, after)


def _is_barred(model: Model, changes: Iterable[Change], cordoned: Collection[GpuId]) -> bool:
    here = set(model.place.gpu_ids) if model.enabled and model.place else set()
    moved = next((change.place for change in changes if isinstance(change, Move)), model.place)
    return moved is not None and any(gpu in cordoned and gpu not in here for gpu in moved.gpu_ids)


def _missing(finding: Finding) -> int:
    numbers = finding.numbers
    return round(numbers.get("needs_free_bytes", 0) - numbers.get("free_bytes", 0))


def about(assessment: Assessment, model: str, place: Place) -> list[Finding]:
    """The findings that concern a model in that place, or its neighbours there."""
    gpus = set(place.gpu_ids)
    neighbours = {other.name for gpu in place.gpu_ids for other in assessment.inventory.on(gpu)}
    return [f for f in assessment.findings if f.model == model or f.gpu in gpus or f.model in neighbours]


def best_fit(verdicts: Mapping[GpuId, Verdict]) -> GpuId | None:
    """The GPU with the most room left among those where it fits, then where it is tight; None where it fits nowhere."""
    for fit in (Fit.FITS, Fit.TIGHT):
        found = [gpu for gpu, answer in verdicts.items() if answer.fit is fit]
        if found:
            return max(found, key=lambda gpu: (verdicts[gpu].size_bytes, -gpu.index))
    return None
