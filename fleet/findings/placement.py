"""An inventory with its estimates: what every rule looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from fleet.calibration.known import recorded_start
from fleet.estimate import Estimate, GpuShare
from fleet.estimate.estimating import charges_neighbours, estimate
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial
from fleet.findings import Finding, Severity, Tense
from fleet.findings.assessment import GpuOutlook
from fleet.hardware import Accelerator
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Move, apply
from fleet.model import GpuId, Model, Version
from fleet.startup import ModelStart

NO_STARTS: Mapping[str, ModelStart] = MappingProxyType({})
NO_WATTS: Mapping[GpuId, float] = MappingProxyType({})


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
    starts: Mapping[str, ModelStart] = field(default_factory=lambda: NO_STARTS)
    """What starts of models measured, by name."""
    watts: Mapping[GpuId, float] = field(default_factory=lambda: NO_WATTS)
    """What GPUs were seen to draw under load with the models they have here."""

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where each model stands in the fleet file."""
        return {model.name: position for position, model in enumerate(self.inventory.models)}

    @cached_property
    def _models_on(self) -> Mapping[GpuId, list[Model]]:
        found: defaultdict[GpuId, list[Model]] = defaultdict(list)
        for model in self.inventory.placed:
            for gpu in gpus_of(model):
                found[gpu].append(model)
        return found

    @cached_property
    def _hosts(self) -> Mapping[str, Host]:
        return {host.name: host for host in self.inventory.hosts}

    @cached_property
    def hosts_by_room(self) -> list[Host]:
        """Every host, the one with most room on a single GPU first."""
        rooms = {
            host.name: max(self.outlooks[gpu].total_bytes - self.outlooks[gpu].peak_bytes for gpu in host.gpu_ids)
            for host in self.inventory.hosts
        }
        return sorted(self.inventory.hosts, key=lambda host: -rooms[host.name])

    def finding(
        self, code: str, severity: Severity, about: Model | GpuId | Host | None, words: str, **numbers: int | float
    ) -> Finding:
        """What these words say of a model, a GPU, a host or the fleet: the headline and, as a sentence, the message."""
        gpu = self.only_gpu(about) if isinstance(about, Model) else about if isinstance(about, GpuId) else None
        return Finding(
            code=code,
            severity=severity,
            tense=self.tense,
            message=f"{self._begun(words)}.",
            headline=words,
            model=about.name if isinstance(about, Model) else None,
            gpu=gpu,
            host=about.name if isinstance(about, Host) else None,
            numbers=MappingProxyType(numbers),
        )

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError."""
        return self._hosts[name]

    def model(self, name: str | None) -> Model:
        """The model of that name. Raises KeyError."""
        return self.inventory.models[self.positions[name or ""]]

    def on(self, gpu: GpuId | None) -> list[Model]:
        """The enabled models placed on that GPU, in file order."""
        return self._models_on.get(gpu, []) if gpu else []

    def accelerator_of(self, model: Model) -> Accelerator:
        """The kind of the GPUs a model is placed on."""
        assert model.place is not None, "only placed models are assessed"
        return self.accelerators[model.place.host]

    def version_of(self, model: Model) -> Version | None:
        """The version asked about, which only vLLM models can have."""
        return self.version if model.engine.name == "vllm" else None

    def recorded(self, model: Model) -> ModelStart | None:
        """What a start of it measured; None where none did, or it was one of another checkpoint."""
        return recorded_start(model, self.starts)

    def reckon(self, model: Model, end: End | None) -> Estimate:
        """The estimate of a model in its place, beside others only where its version charges it for them."""
        charged = charges_neighbours(model, self.accelerator_of(model), self.version_of(model))
        return self._estimate(model, end, self._others(model) if charged else None)

    def trial(self, model: Model) -> Trial:
        """The question `reckon` answers, to be asked again with other arguments."""
        version, accelerator = self.version_of(model), self.accelerator_of(model)
        charged = charges_neighbours(model, accelerator, version)
        return Trial(
            model if version is None else replace(model, engine=replace(model.engine, version=version)),
            accelerator,
            tuple(self.totals.get(gpu, accelerator.total_bytes) for gpu in gpus_of(model)),
            self._others(model) if charged else (0,) * len(gpus_of(model)),
            recorded=self.recorded(model),
        )

    def beside(self, model: Model) -> Estimate:
        """The estimate of a model that finds its neighbours at their peak."""
        return self._estimate(model, self.end, self._others(model))

    def _estimate(self, model: Model, end: End | None, others: Sequence[int] | None) -> Estimate:
        accelerator = self.accelerator_of(model)
        return estimate(
            model,
            accelerator,
            totals=[self.totals.get(gpu, accelerator.total_bytes) for gpu in gpus_of(model)],
            others_bytes=others,
            version=self.version_of(model),
            recorded=self.recorded(model),
            end=end,
        )

    def _others(self, model: Model) -> tuple[int, ...]:
        """Bytes the neighbours hold at their peak on each of a model's GPUs, without the driver's."""
        outlooks = [self.outlooks.get(gpu) for gpu in gpus_of(model)]
        return tuple(seen.peak_without(model.name) - seen.driver_bytes if seen else 0 for seen in outlooks)

    def _begun(self, words: str) -> str:
        """These words as a sentence begins; a name stays as it is written."""
        first = words.split()[0].rstrip(",:").partition("/")[0]
        names = {model.name for model in self.inventory.models} | {host.name for host in self.inventory.hosts}
        return words if first in names else f"{words[0].upper()}{words[1:]}"

    def only_gpu(self, model: Model) -> GpuId | None:
        """The GPU of a model that has one; None for a model over several."""
        gpus = gpus_of(model)
        return gpus[0] if len(gpus) == 1 else None

    def changed(self, changes: Iterable[Change], end: End) -> tuple[Placement, Placement]:
        """The GPUs these changes touch, before and after them, reckoned at one end of the spreads."""
        changes = tuple(changes)
        changed = [self.model(name) for name in {change.model for change in changes}]
        targets = [change.place for change in changes if isinstance(change, Move)]
        touched = {gpu for model in changed for gpu in gpus_of(model)}
        touched |= {gpu for target in targets for gpu in target.gpu_ids}
        near = {model.name: model for gpu in touched for model in self.on(gpu)}
        near |= {model.name: model for model in changed}
        names = {gpu.host for gpu in touched} | {gpu.host for model in near.values() for gpu in gpus_of(model)}
        scope = replace(
            self.inventory,
            hosts=tuple(host for host in self.inventory.hosts if host.name in names),
            models=tuple(sorted(near.values(), key=lambda model: self.positions[model.name])),
        )
        before, after = (
            place(
                each,
                totals=self.totals,
                starts=self.starts,
                tense=self.tense,
                version=self.version,
                end=end,
                gpus=touched,
            )
            for each in (scope, apply(scope, changes))
        )
        return before, after


def gpus_of(model: Model) -> tuple[GpuId, ...]:
    """The GPUs a model is to run on; none for a disabled one."""
    return model.place.gpu_ids if model.enabled and model.place else ()


def place(
    inventory: Inventory,
    *,
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart] = NO_STARTS,
    tense: Tense = Tense.NOW,
    version: Version | None = None,
    end: End | None = None,
    gpus: Collection[GpuId] | None = None,
) -> Placement:
    """Estimate every enabled model, and sum up every GPU, or only ``gpus``."""
    accelerators = {host.name: host.accelerator for host in inventory.hosts}
    wanted = inventory.gpu_ids if gpus is None else tuple(gpus)
    empty = Placement(inventory, {}, {}, accelerators, totals, tense, version, end, starts)
    alone = _summed(empty, {model.name: empty.reckon(model, end) for model in inventory.placed}, wanted)
    charging = [
        model
        for model in inventory.placed
        if charges_neighbours(model, alone.accelerator_of(model), alone.version_of(model))
    ]
    if not charging:
        return alone
    beside = {model.name: alone.reckon(model, end) for model in charging}
    return _summed(alone, {**alone.estimates, **beside}, wanted)


def _summed(placement: Placement, estimates: Mapping[str, Estimate], gpus: Collection[GpuId]) -> Placement:
    """The same placement with these estimates, and the outlooks they make."""
    shares: defaultdict[GpuId, list[tuple[str, GpuShare]]] = defaultdict(list)
    for model in placement.inventory.placed:
        for gpu, share in zip(gpus_of(model), estimates[model.name].shares, strict=True):
            shares[gpu].append((model.name, share))
    outlooks = {
        gpu: _outlook(placement.accelerators[gpu.host], placement.totals.get(gpu), tuple(shares.get(gpu, ())))
        for gpu in gpus
    }
    return replace(placement, estimates=estimates, outlooks=outlooks)


def _outlook(accelerator: Accelerator, total: int | None, shares: tuple[tuple[str, GpuShare], ...]) -> GpuOutlook:
    driver = accelerator.driver_bytes
    return GpuOutlook(
        total_bytes=total or accelerator.total_bytes,
        driver_bytes=driver,
        resident_bytes=driver + sum(share.resident_bytes for _, share in shares),
        peak_bytes=driver + sum(share.total_bytes for _, share in shares),
        high_bytes=driver + sum(share.high_bytes for _, share in shares),
        shares=shares,
    )
