"""What vLLM does when it starts, in its own order: check, load, profile, size the cache, admit or refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fleet.architecture.architecture import Architecture
from fleet.estimate import Estimate, GpuShare, Outcome, Reason, Refusal
from fleet.estimate.measured import CONTEXT_FACTOR, End
from fleet.estimate.vllm import overheads, refusals
from fleet.estimate.vllm.activations import peak_bytes, request_state_bytes
from fleet.estimate.vllm.budget import Demand, cache_bytes, requested_bytes
from fleet.estimate.vllm.kv_cache import Layout, Pool, admits, in_flight_tokens, layout, needed_bytes, pool
from fleet.estimate.vllm.settings import LONG_CONTEXT, Settings, batch, resolve
from fleet.estimate.vllm.stages import Stage, stages
from fleet.estimate.vllm.versions import Era
from fleet.estimate.vllm.weights import rank_bytes
from fleet.hardware import Accelerator
from fleet.model import Arguments


@dataclass(frozen=True, slots=True)
class Rank:
    """One GPU's part of an engine that starts. Sizes in bytes."""

    total: int
    free: int
    """Free when the engine first looks: the card less the driver, others, and this process's own context."""
    requested: int
    demand: Demand
    layout: Layout
    available: int
    """Left for the cache; negative where weights and activations exceed the budget."""


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
        result = []
        plans = stages(self.architecture.layers, settings.pipeline_parallel)
        context, driver = self.context_bytes(end), self.accelerator.driver_bytes
        for number, stage in enumerate(plans):
            demand = _demand(self, settings, stage, end)
            table = layout(self.architecture, stage, settings, self.era)
            for gpu in range(settings.tensor_parallel):
                index = number * settings.tensor_parallel + gpu
                total, others = self.totals[index], self.others[index]
                requested = requested_bytes(total, settings.utilization, self.era)
                held = driver + context + others
                available = settings.cache_bytes or cache_bytes(requested, demand, self.era, held)
                result.append(Rank(total, total - held, requested, demand, table, available))
        return tuple(result)


def _demand(start: Start, settings: Settings, stage: Stage, end: End) -> Demand:
    architecture, era = start.architecture, start.era
    peak = peak_bytes(architecture, settings, era, start.accelerator.compute_units, has_head=stage.last)
    kept = request_state_bytes(architecture, settings, era)
    return Demand(
        weights=rank_bytes(architecture, stage, settings) + overheads.loading_bytes(era, end),
        activations=max(0, peak + overheads.activation_excess_bytes(architecture, end)),
        non_torch=overheads.non_torch_bytes(era, settings, end) + kept,
        graphs=overheads.graphs_bytes(era, architecture, settings, len(stage.layers), end),
    )


def estimate(name: str, start: Start, end: End, notes: tuple[str, ...]) -> Estimate:
    """What the model takes on each GPU and how its start ends, reckoned with one end of every spread."""
    settings = start.settings()
    wrong = _configuration(start, settings)
    if wrong and wrong.reason is Reason.PARALLELISM:
        return Estimate(
            name,
            (_NOTHING,) * len(start.totals),
            Outcome.REFUSED,
            wrong,
            max_model_len=settings.max_model_len,
        )
    ranks = start.ranks(settings, end)
    smallest = _pool(start, settings, ranks)
    shares = tuple(_share(rank, smallest, start.context_bytes(end)) for rank in ranks)
    refusal = wrong or _refusal(start, settings, ranks, smallest)
    oom = refusal is not None and refusal.reason is Reason.OUT_OF_MEMORY
    requested = ranks[0].requested
    return Estimate(
        model=name,
        shares=shares + (_NOTHING,) * (len(start.totals) - len(shares)),
        outcome=Outcome.STARTED if refusal is None else Outcome.OOM if oom else Outcome.REFUSED,
        refusal=refusal,
        budget_bytes=requested,
        needs_free_bytes=requested if start.era.checks_free_memory else None,
        kv_cache_tokens=smallest.tokens,
        max_model_len=settings.max_model_len,
        max_concurrency=smallest.concurrency,
        longest_length=longest_length(start, settings, ranks, end),
        notes=notes,
    )


_NOTHING = GpuShare(0, 0, 0, 0, 0, 0, 0)


def _pool(start: Start, settings: Settings, ranks: tuple[Rank, ...]) -> Pool:
    """The pool of the rank with the fewest blocks, which every rank then uses."""
    waiting = in_flight_tokens(start.architecture, settings, start.era)
    pools = [pool(rank.layout, rank.available, settings.max_model_len, waiting, start.era) for rank in ranks]
    return min(pools, key=lambda each: each.blocks)


def _share(rank: Rank, smallest: Pool, context: int) -> GpuShare:
    demand = rank.demand
    share = GpuShare(
        weights_bytes=demand.weights,
        kv_cache_bytes=_cache(rank, smallest),
        activations_bytes=demand.activations,
        graphs_bytes=demand.graphs,
        context_bytes=context + demand.non_torch,
        low_bytes=0,
        high_bytes=0,
    )
    return replace(share, low_bytes=share.total_bytes, high_bytes=share.total_bytes)


def _configuration(start: Start, settings: Settings) -> Refusal | None:
    """What the engine finds wrong before it touches a GPU."""
    architecture = start.architecture
    if settings.max_model_len > architecture.max_positions:
        return refusals.longer_than_model(settings.max_model_len, architecture.max_positions)
    if architecture.heads % settings.tensor_parallel:
        return refusals.heads_not_divisible(architecture.heads, settings.tensor_parallel)
    if settings.pipeline_parallel > architecture.layers:
        return refusals.too_few_layers(architecture.layers, settings.pipeline_parallel)
    if settings.world_size > len(start.totals):
        return refusals.too_few_gpus(settings.world_size, len(start.totals))
    return refusals.batch_too_small(
        tokens=settings.batched_tokens,
        length=settings.max_model_len,
        sequences=settings.sequences,
        chunked=settings.chunked_prefill,
    )


def _refusal(start: Start, settings: Settings, ranks: tuple[Rank, ...], smallest: Pool) -> Refusal | None:
    """The first of the engine's checks that fails, on any rank."""
    era = start.era
    for index, rank in enumerate(ranks):
        if era.checks_free_memory and rank.free < rank.requested:
            return refusals.not_enough_free(
                era,
                rank=index,
                free=rank.free,
                total=rank.total,
                utilization=settings.utilization,
                requested=rank.requested,
            )
    if any(rank.demand.weights + rank.demand.activations > rank.free for rank in ranks):
        return refusals.out_of_memory(era)
    if smallest.blocks <= 0:
        return refusals.no_cache_memory(era)
    waiting = in_flight_tokens(start.architecture, settings, era)
    length = settings.max_model_len
    for rank in ranks:
        if not admits(rank.layout, rank.available, length, waiting, era):
            fits = _admitted(start, settings, ranks)
            return refusals.sequence_too_long(
                era,
                length=length,
                tokens=smallest.tokens,
                needed=needed_bytes(rank.layout, length, waiting, era),
                available=rank.available,
                longest=_largest(fits, 1, length),
            )
    held = [rank.demand.weights + rank.demand.non_torch + _cache(rank, smallest) for rank in ranks]
    if any(size > rank.free for size, rank in zip(held, ranks, strict=True)):
        return refusals.out_of_memory(era)
    return None


def _cache(rank: Rank, smallest: Pool) -> int:
    return smallest.blocks * rank.layout.bytes_per_block


def _admitted(start: Start, settings: Settings, ranks: tuple[Rank, ...]) -> Callable[[int], bool]:
    """Whether every rank would take a length, its cache memory staying as it is."""
    waiting = in_flight_tokens(start.architecture, settings, start.era)
    return lambda length: all(admits(rank.layout, rank.available, length, waiting, start.era) for rank in ranks)


def longest_length(start: Start, settings: Settings, ranks: tuple[Rank, ...], end: End) -> int:
    """The longest ``max-model-len`` this start could have, up to what the model was made for; 0 where none fits.

    Where the batch does not depend on the length neither does the cache. V0 profiles a whole sequence up to 32768
    tokens and a chunk above, so a longer length can fit where a shorter one does not: each regime is searched.
    """
    same = _admitted(start, settings, ranks)

    def fits(length: int) -> bool:
        if start.batch(length) == (settings.batched_tokens, settings.sequences):
            return same(length)
        other = start.settings(length)
        return _admitted(start, other, start.ranks(other, end))(length)

    top = start.architecture.max_positions
    if top > LONG_CONTEXT and start.settings(top).chunked_prefill != start.settings(LONG_CONTEXT).chunked_prefill:
        return _largest(fits, LONG_CONTEXT + 1, top) or _largest(fits, 1, LONG_CONTEXT)
    return _largest(fits, 1, top)


def _largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number from low to high that fits, 0 where none does; what fits, fits smaller too."""
    if high < low:
        return 0
    if fits(high):
        return high
    if not fits(low):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
