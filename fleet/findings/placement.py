"""An inventory with its estimates: what every rule looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from fleet.estimate import Estimate, GpuShare
from fleet.estimate.estimating import charges_neighbours, estimate
from fleet.estimate.measured import End
from fleet.findings import Tense
from fleet.hardware import Accelerator
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Move, apply
from fleet.model import GpuId, Model, Version


@dataclass(frozen=True, slots=True)
class GpuOutlook:
    """What a GPU will hold by the estimates of the models placed on it. Bytes; the driver's own are in every sum."""

    total_bytes: int
    driver_bytes: int
    resident_bytes: int
    """While all idle."""
    peak_bytes: int
    """While all compute a full batch."""
    high_bytes: int
    """The peak at the high end of every spread."""
    shares: tuple[tuple[str, GpuShare], ...]
    """(model, its share), in the fleet file's order."""

    def peak_without(self, model: str) -> int:
        """The peak of the others and the driver, as one model finds the GPU."""
        return self.peak_bytes - sum(share.total_bytes for name, share in self.shares if name == model)


@dataclass(frozen=True)
class Placement:
    """Enabled models on their GPUs, with what they take. Rules read it; fixes are tried on others like it."""

    inventory: Inventory
    estimates: Mapping[str, Estimate]
    outlooks: Mapping[GpuId, GpuOutlook]
    accelerators: Mapping[str, Accelerator]
    """By host."""
    totals: Mapping[GpuId, int]
    """Measured bytes of GPUs, where they differ from their accelerator's."""
    tense: Tense
    version: Version | None
    """The vLLM version to reckon with instead of each model's own."""
    end: End | None
    """The end of the spreads the numbers are of; None = central, with low and high totals."""

    def reckon(self, model: Model, end: End | None, others: tuple[int, ...] | None = None) -> Estimate:
        """The estimate of a model in its place; ``others`` = bytes others hold on each of its GPUs."""
        assert model.place is not None, "only placed models are assessed"
        accelerator = self.accelerators[model.place.host]
        return estimate(
            model,
            accelerator,
            totals=[self.totals.get(gpu, accelerator.total_bytes) for gpu in model.place.gpu_ids],
            others_bytes=others,
            version=self.version_of(model),
            end=end,
        )

    def version_of(self, model: Model) -> Version | None:
        """The version asked about, which only vLLM models can have."""
        return self.version if model.engine.name == "vllm" else None

    def others(self, model: Model) -> tuple[int, ...]:
        """Bytes the neighbours of a model hold at their peak on each of its GPUs, without the driver's."""
        assert model.place is not None, "only placed models are assessed"
        outlooks = [self.outlooks.get(gpu) for gpu in model.place.gpu_ids]
        return tuple(seen.peak_without(model.name) - seen.driver_bytes if seen else 0 for seen in outlooks)

    def changed(self, changes: Iterable[Change], end: End) -> tuple[Placement, Placement]:
        """The GPUs these changes touch, before and after them, reckoned at one end of the spreads."""
        changes = tuple(changes)
        names = {change.model for change in changes}
        touched = {gpu for name in names for gpu in _gpus(self.inventory.model(name))}
        touched |= {gpu for change in changes if isinstance(change, Move) for gpu in change.place.gpu_ids}
        models = tuple(
            model for model in self.inventory.models if model.name in names or touched.intersection(_gpus(model))
        )
        scope = replace(self.inventory, models=models)
        before, after = (
            place(each, totals=self.totals, tense=self.tense, version=self.version, end=end, gpus=touched)
            for each in (scope, apply(scope, changes))
        )
        return before, after


def _gpus(model: Model) -> tuple[GpuId, ...]:
    return model.place.gpu_ids if model.enabled and model.place else ()


def place(
    inventory: Inventory,
    *,
    totals: Mapping[GpuId, int],
    tense: Tense = Tense.NOW,
    version: Version | None = None,
    end: End | None = None,
    gpus: Collection[GpuId] | None = None,
) -> Placement:
    """Estimate every enabled model, and sum up every GPU, or only ``gpus``."""
    accelerators = {host.name: host.accelerator for host in inventory.hosts}
    wanted = inventory.gpu_ids if gpus is None else tuple(gpus)
    empty = Placement(inventory, {}, {}, accelerators, totals, tense, version, end)
    estimates = {model.name: empty.reckon(model, end) for model in inventory.placed}
    alone = _summed(empty, estimates, wanted)
    charging = [model for model in inventory.placed if _charges(alone, model)]
    if not charging:
        return alone
    beside = {model.name: alone.reckon(model, end, alone.others(model)) for model in charging}
    return _summed(alone, estimates | beside, wanted)


def _charges(placement: Placement, model: Model) -> bool:
    assert model.place is not None, "only placed models are assessed"
    accelerator = placement.accelerators[model.place.host]
    return charges_neighbours(model, accelerator, placement.version_of(model))


def _summed(placement: Placement, estimates: Mapping[str, Estimate], gpus: Collection[GpuId]) -> Placement:
    """The same placement with these estimates, and the outlooks they make."""
    shares: defaultdict[GpuId, list[tuple[str, GpuShare]]] = defaultdict(list)
    for model in placement.inventory.placed:
        for gpu, share in zip(_gpus(model), estimates[model.name].shares, strict=True):
            shares[gpu].append((model.name, share))
    outlooks = {
        gpu: _outlook(placement.accelerators[gpu.host], placement.totals.get(gpu), tuple(shares.get(gpu, ())))
        for gpu in gpus
    }
    return replace(placement, estimates=estimates, outlooks=outlooks)


def _outlook(
    accelerator: Accelerator, total: int | None, shares: tuple[tuple[str, GpuShare], ...]
) -> GpuOutlook:
    driver = accelerator.driver_bytes
    return GpuOutlook(
        total_bytes=total or accelerator.total_bytes,
        driver_bytes=driver,
        resident_bytes=driver + sum(share.resident_bytes for _, share in shares),
        peak_bytes=driver + sum(share.total_bytes for _, share in shares),
        high_bytes=driver + sum(share.high_bytes for _, share in shares),
        shares=shares,
    )
