"""The GPUs of one start: what each rank takes, what it finds free, and what it has left for the cache."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from fleet.architecture.architecture import Architecture
from fleet.estimate import MODELLED, Origins
from fleet.estimate.measured import CONTEXT_FACTOR, End
from fleet.estimate.vllm import overheads
from fleet.estimate.vllm.activations import peak_bytes, request_state_bytes, sampling_bytes
from fleet.estimate.vllm.budget import Demand, cache_bytes, requested_bytes
from fleet.estimate.vllm.kv_cache import Layout, layout
from fleet.estimate.vllm.learning import Lesson, is_comparable, lesson
from fleet.estimate.vllm.settings import Settings, batch, resolve
from fleet.estimate.vllm.stages import Stage, stages
from fleet.estimate.vllm.versions import Era, Generation
from fleet.estimate.vllm.weights import holes_bytes, rank_bytes
from fleet.hardware import Accelerator
from fleet.model import Arguments
from fleet.startup import ModelStart


@dataclass(frozen=True, slots=True)
class Rank:
    """One GPU's part of an engine that starts. Sizes in bytes."""

    total: int
    free: int
    """Free when the engine first looks: the card less the driver, others, and this process's own context."""
    requested: int
    demand: Demand
    layout: Layout
    checked: Layout
    """What a request is checked against: from 0.14 the whole model's layers, on every pipeline stage."""
    available: int
    """Left for the cache; negative where weights and activations exceed the budget."""
    origins: Origins = MODELLED


@dataclass(frozen=True, slots=True)
class Start:
    """One start: a model, a version, arguments, and the GPUs as the engine finds them."""

    architecture: Architecture
    args: Arguments
    accelerator: Accelerator
    era: Era
    totals: tuple[int, ...]
    """Bytes of each GPU of the place."""
    others: tuple[int, ...]
    """Bytes other processes hold on each of them."""
    recorded: ModelStart | None = None
    """Another start of the model by the same engine on the same kind of GPU."""

    def settings(self, length: int | None = None) -> Settings:
        """The settings as given, or as they would be with another ``max-model-len``."""
        return resolve(self.args, self.architecture, self.era, self.accelerator, length)

    def batch(self, length: int) -> tuple[int, int]:
        """Tokens and sequences of a batch with another ``max-model-len``."""
        return batch(self.args, self.architecture, self.era, self.accelerator, length)

    def context_bytes(self, end: End) -> int:
        """What the process holds on a GPU before the engine counts anything."""
        return round(self.accelerator.context_bytes * CONTEXT_FACTOR.at(end))

    def ranks(self, settings: Settings, end: End) -> tuple[Rank, ...]:
        """Every rank, in the order of the place's GPUs."""
        result: list[Rank] = []
        plans = stages(self.architecture.layers, settings.pipeline_parallel, settings.partition)
        (whole,) = stages(self.architecture.layers, 1)
        lesson = self.lesson
        learned = lesson.holding(settings, same_room=self.same_room) if lesson else ()
        restart = overheads.restart_bytes(self.era, end)
        context, driver = self.context_bytes(end), self.accelerator.driver_bytes
        for number, stage in enumerate(plans):
            modelled = _demand(self, settings, stage, end)
            table = layout(self.architecture, stage, settings, self.era)
            checked = layout(self.architecture, whole, settings, self.era) if self.era.checks_all_stages else table
            for index in self._indices(settings, number):
                taught = learned[len(result)] if learned else None
                demand = taught.demand(modelled, end, restart) if taught else modelled
                total, others = self.totals[index], self.others[index]
                requested = requested_bytes(total, settings.utilization, self.era)
                held = driver + context + others
                available = settings.cache_bytes or cache_bytes(requested, demand, self.era, held)
                if settings.blocks:
                    available = settings.blocks * table.bytes_per_block
                elif taught and taught.cache and end is End.CENTRAL:
                    available = taught.cache.bytes
                origins = taught.origins if taught else MODELLED
                result.append(Rank(total, total - held, requested, demand, table, checked, available, origins))
        return tuple(result)

    @property
    def same_room(self) -> bool:
        """Whether the engine finds as much memory as at the recorded start: GPUs as large, and nobody it counts."""
        recorded = self.recorded
        as_large = recorded is None or not recorded.totals or recorded.totals == self.totals
        return as_large and not (self.era.charges_neighbours and any(self.others))

    @property
    def lesson(self) -> Lesson | None:
        """What the recorded start measured; None without one, or where an argument of unknown effect changed since."""
        return _lesson(self) if self.recorded and is_comparable(self.recorded, self.args) else None

    def _indices(self, settings: Settings, stage: int) -> list[int]:
        """The GPUs of one pipeline stage, those of every copy of the model included."""
        each = settings.tensor_parallel * settings.pipeline_parallel
        first = stage * settings.tensor_parallel
        return [
            copy * each + first + gpu
            for copy in range(settings.data_parallel)
            for gpu in range(settings.tensor_parallel)
        ]


@lru_cache(maxsize=4096)
def _lesson(start: Start) -> Lesson | None:
    recorded = start.recorded
    assert recorded is not None, "asked only where there is one"
    variables = {name: value for name, value in start.args.items() if name.startswith("VLLM_")}
    totals = recorded.totals or start.totals
    args = Arguments({**variables, **recorded.args})
    then = replace(start, args=args, totals=totals, others=(0,) * len(totals), recorded=None)
    settings = then.settings()
    if settings.world_size != len(totals):
        return None
    held = start.accelerator.driver_bytes + then.context_bytes(End.CENTRAL)
    return lesson(recorded, settings, then.ranks(settings, End.CENTRAL), start.era, held)


def _demand(start: Start, settings: Settings, stage: Stage, end: End) -> Demand:
    architecture, era = start.architecture, start.era
    units = start.accelerator.compute_units
    peak = peak_bytes(architecture, settings, era, units, has_head=stage.last)
    warms_up = stage.last and era.generation is Generation.V1
    kept = request_state_bytes(architecture, settings, era)
    weights = rank_bytes(architecture, stage, settings, era)
    drafted = settings.draft.weights * settings.weight_bytes if settings.draft and stage.last else 0
    if era.generation is Generation.V1:
        weights, drafted = weights + drafted, 0  # V0 loads and prints a draft apart
    holes = holes_bytes(architecture, stage, settings, era)
    return Demand(
        weights=max(0, weights - settings.offloaded_bytes) + overheads.loading_bytes(era, end),
        activations=max(0, peak + overheads.activation_excess_bytes(architecture, settings, end)),
        warm_up=sampling_bytes(architecture, settings, era, units) if warms_up else 0,
        non_torch=overheads.non_torch_bytes(era, settings, start.accelerator.switched, end) + kept + drafted,
        holes=holes,
        graphs=overheads.graphs_bytes(era, architecture, settings, len(stage.layers), end),
        counts_holes=era.counts_freed,
        counts_graphs=era.graphs_in_budget if settings.graphs_counted is None else settings.graphs_counted,
    )
