"""What vLLM does when it starts, in its own order: check, load, profile, size the cache, admit or refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fleet.architecture.architecture import Architecture
from fleet.estimate import Estimate, GpuShare, Origin, Outcome, Reason, Refusal
from fleet.estimate.measured import End
from fleet.estimate.vllm import refusals
from fleet.estimate.vllm.kv_cache import Pool, admits, in_flight_tokens, needed_bytes, pool
from fleet.estimate.vllm.longest import longest_admitted, longest_length
from fleet.estimate.vllm.ranks import Rank, Start
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.versions import Generation
from fleet.estimate.vllm.weights import VOCABULARY_STEP


def estimate(name: str, start: Start, end: End, notes: tuple[str, ...]) -> Estimate:
    """What the model takes on each GPU and how its start ends, reckoned with one end of every spread."""
    settings = start.settings()
    wrong, unplaced = _arguments(start, settings), _split(start, settings)
    if settings.fits_length and not unplaced:
        settings = _fitted(start, settings, end)
    if unplaced:
        return Estimate(
            model=name,
            shares=(_NOTHING,) * len(start.totals),
            outcome=Outcome.REFUSED,
            refusal=wrong or unplaced,
            max_model_len=settings.max_model_len,
        )
    ranks = start.ranks(settings, end)
    smallest = _pool(start, settings, ranks)
    found = tuple(_share(rank, smallest, start.context_bytes(end)) for rank in ranks)
    refusal = wrong or _refusal(start, settings, ranks, smallest)
    oom = refusal is not None and refusal.reason is Reason.OUT_OF_MEMORY
    requested = ranks[0].requested
    tokens, concurrency, origin = _capacity(start, settings, smallest, end)
    learned = any(share.origins.total is not Origin.MODELLED for share in found)
    return Estimate(
        model=name,
        shares=found + (_NOTHING,) * (len(start.totals) - len(found)),
        outcome=Outcome.STARTED if refusal is None else Outcome.OOM if oom else Outcome.REFUSED,
        refusal=refusal,
        budget_bytes=requested,
        needs_free_bytes=requested if start.era.checks_free_memory else None,
        kv_cache_tokens=tokens,
        kv_cache_blocks=smallest.blocks,
        max_model_len=settings.max_model_len,
        max_concurrency=concurrency,
        longest_length=longest_length(start, settings, ranks, end),
        basis="calibrated" if learned else "modelled",
        cache_origin=origin,
        notes=notes,
    )


def shares(start: Start, end: End) -> tuple[GpuShare, ...]:
    """What the model takes on each GPU alone, at one end of every spread."""
    settings = start.settings()
    if _split(start, settings):
        return (_NOTHING,) * len(start.totals)
    if settings.fits_length:
        settings = _fitted(start, settings, end)
    ranks = start.ranks(settings, end)
    smallest = _pool(start, settings, ranks)
    found = tuple(_share(rank, smallest, start.context_bytes(end)) for rank in ranks)
    return found + (_NOTHING,) * (len(start.totals) - len(found))


_UNSTABLE_IN_HALF = ("gemma2", "gemma3", "gemma3_text", "glm4")
_NOTHING = GpuShare(0, 0, 0, 0, 0, 0, 0)


def _fitted(start: Start, settings: Settings, end: End) -> Settings:
    """``max-model-len auto``: the longest length the cache takes, the whole context where it does."""
    longest = longest_admitted(start, settings, start.ranks(settings, end))
    return replace(settings, max_model_len=longest) if longest else settings


def _pool(start: Start, settings: Settings, ranks: tuple[Rank, ...]) -> Pool:
    """The pool of the rank with the fewest blocks, which every rank then uses."""
    waiting = in_flight_tokens(start.architecture, settings, start.era)
    pools = [pool(rank.layout, rank.available, settings.max_model_len, waiting, start.era) for rank in ranks]
    return min(pools, key=lambda each: each.blocks)


def _capacity(start: Start, settings: Settings, smallest: Pool, end: End) -> tuple[int, float, Origin]:
    """Tokens and concurrency of the cache: as the engine itself counted them where nothing has changed since."""
    lesson = start.lesson
    if start.recorded is None or lesson is None or not lesson.holding(settings, same_room=start.same_room):
        return smallest.tokens, smallest.concurrency, Origin.MODELLED
    said = start.recorded.startup
    if end is End.CENTRAL and said.max_concurrency and start.same_room and lesson.has_tokens(settings):
        return said.cache_tokens or smallest.tokens, said.max_concurrency, Origin.MEASURED
    return smallest.tokens, smallest.concurrency, Origin.CALIBRATED


def _share(rank: Rank, smallest: Pool, context: int) -> GpuShare:
    demand = rank.demand
    share = GpuShare(
        weights_bytes=demand.weights,
        kv_cache_bytes=_cache(rank, smallest),
        activations_bytes=demand.activations,
        graphs_bytes=demand.graphs,
        context_bytes=context + demand.non_torch + demand.holes,
        low_bytes=0,
        high_bytes=0,
        origins=rank.origins,
    )
    return replace(share, low_bytes=share.total_bytes, high_bytes=share.total_bytes)


def _arguments(start: Start, settings: Settings) -> Refusal | None:
    """What the engine finds wrong with its arguments before it touches a GPU."""
    positions = start.architecture.max_positions
    if settings.max_model_len > positions and not settings.exceeds_model:
        return refusals.longer_than_model(settings.max_model_len, positions)
    said = start.args.text("dtype", "auto")
    if said in ("bfloat16", "bf16") and start.accelerator.capability and start.accelerator.capability < 8:
        return refusals.no_brain_float(start.accelerator.name, start.accelerator.capability)
    if said in ("float16", "half") and start.architecture.model_type in _UNSTABLE_IN_HALF and start.era.warns_of_half:
        return refusals.half_unstable(start.architecture.model_type)
    return refusals.batch_too_small(
        tokens=settings.batched_tokens,
        length=settings.max_model_len,
        sequences=settings.sequences,
        chunked=settings.chunked_prefill,
    )


def _split(start: Start, settings: Settings) -> Refusal | None:
    """Why the model cannot be split as asked over the GPUs of its place."""
    architecture = start.architecture
    size = settings.tensor_parallel
    if architecture.heads % size:
        return refusals.heads_not_divisible(architecture.heads, size)
    uneven = next((number for number in _split_evenly(architecture, settings) if number % size), None)
    if uneven is not None:
        return refusals.indivisible(uneven, size)
    if size % settings.context_parallel:
        return refusals.context_groups(size, settings.context_parallel)
    if settings.expert_parallel and architecture.experts is None:
        return refusals.no_experts()
    packed = architecture.quantization is not None and architecture.quantization.method == "bitsandbytes"
    if packed and size > 1:
        return refusals.packed_in_parallel()
    if settings.pipeline_parallel > architecture.layers:
        return refusals.too_few_layers(architecture.layers, settings.pipeline_parallel)
    if settings.world_size > len(start.totals):
        return refusals.too_few_gpus(settings.world_size, len(start.totals))
    return None


def _split_evenly(architecture: Architecture, settings: Settings) -> Iterator[int]:
    """Widths that tensor parallelism divides without a remainder."""
    yield -(-architecture.vocab // VOCABULARY_STEP) * VOCABULARY_STEP
    experts = architecture.experts
    if experts is None or experts.beside_mlp or experts.first_dense or experts.step > 1:
        yield architecture.intermediate
    if experts and not settings.expert_parallel and settings.expert_padding == 1:
        yield experts.intermediate


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
    for index, rank in enumerate(ranks):
        loaded = rank.free - rank.demand.weights
        if loaded < rank.demand.activations:
            tried = rank.demand.activations if loaded > 0 else -loaded
            return refusals.out_of_memory(era, rank=index, tried=tried, free=max(0, loaded), total=rank.total)
    if any(rank.layout.groups and rank.available < rank.layout.bytes_per_block for rank in ranks):
        return refusals.no_cache_memory(era)
    waiting = in_flight_tokens(start.architecture, settings, era)
    length = settings.max_model_len
    for rank in ranks:
        if not admits(rank.checked, rank.available, length, waiting, era):
            return refusals.sequence_too_long(
                era,
                length=length,
                tokens=smallest.tokens,
                needed=needed_bytes(rank.checked, length, waiting, era),
                available=rank.available,
                longest=longest_admitted(start, settings, ranks),
            )
    graphs_want_states = start.architecture.has_state and era.release >= (0, 20) and not settings.eager
    if graphs_want_states and settings.sequences > smallest.blocks:
        return refusals.too_few_states(settings.sequences, smallest.blocks)
    for index, rank in enumerate(ranks):
        missing = _peak(rank, smallest) - rank.free
        if missing > rank.demand.warm_up or (missing > 0 and era.generation is Generation.V0):
            return refusals.out_of_memory(era, rank=index, tried=missing, free=0, total=rank.total)
        if missing > 0:
            return refusals.no_room_to_warm_up(era, settings.sequences)
    return None


def _peak(rank: Rank, smallest: Pool) -> int:
    """What a rank holds when it captures graphs and warms up its sampler, its cache already allocated."""
    demand = rank.demand
    outside = demand.non_torch + demand.graphs + demand.holes
    return demand.weights + demand.warm_up + outside + _cache(rank, smallest)


def _cache(rank: Rank, smallest: Pool) -> int:
    return smallest.blocks * rank.layout.bytes_per_block
