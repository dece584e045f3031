"""What a start of vLLM measured, and which of it holds for another start of the same model.

The one table of the rules is `HOLDS_WHILE`: a part that was measured counts as long as these settings are the same,
defaults filled in, so that a length that changes the batch changes the activations, and one that does not, does not.
The memory outside PyTorch is what the budget, the measured parts and the cache leave, by the estimate's own arithmetic:
an engine that prints its weights and its cache alone teaches the sum of all else exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fleet.estimate import Origin, Origins
from fleet.estimate.learning import HARMLESS, at
from fleet.estimate.measured import End
from fleet.estimate.vllm.budget import Demand, cache_bytes
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.versions import Era, Generation
from fleet.model import Arguments
from fleet.startup import ModelStart, RankStart, Size, Startup

if TYPE_CHECKING:
    from fleet.estimate.vllm.kv_cache import Layout
    from fleet.estimate.vllm.ranks import Rank

_SPLIT = (
    "tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel", "context_parallel", "partition",
)  # fmt: skip
_LOADED = ("weight_bytes", "runtime_bytes", "expert_padding", "offloaded_bytes", "language_only", "draft")
_BATCH = ("batched_tokens", "sequences", "chunked_prefill", "profiles_images", "images", "sorts", "eager")
_POOL = (
    "utilization", "cache_dtype", "block_size", "cache_bytes", "blocks", "groups_layers", "graphs_counted",
    "prefix_caching",
)  # fmt: skip
HOLDS_WHILE: Mapping[str, tuple[str, ...]] = {
    "weights": (*_SPLIT, *_LOADED),
    "activations": (*_SPLIT, *_LOADED, *_BATCH),
    "graphs": (*_SPLIT, *_LOADED, "sequences", "eager"),
    "non_torch": (*_SPLIT, "draft"),
    "cache": (*_SPLIT, *_LOADED, *_BATCH, *_POOL),
    "tokens": (*_SPLIT, *_LOADED, *_BATCH, *_POOL, "max_model_len"),
}
"""Settings that have to be the same for a part to hold. A cache of another size is reckoned from the parts that do."""

JUDGED = frozenset({
    "gpu-memory-utilization", "device-memory-utilization", "max-model-len", "max-num-seqs", "max-num-batched-tokens",
    "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "enable-expert-parallel", "block-size",
    "decode-context-parallel-size", "enable-chunked-prefill", "enable-prefix-caching", "no-enable-prefix-caching",
    "enforce-eager", "kv-cache-dtype", "kv-cache-memory-bytes", "kv-cache-memory", "num-gpu-blocks-override",
    "cpu-offload-gb", "language-model-only", "skip-mm-profiling", "disable-hybrid-kv-cache-manager", "dtype",
    "quantization", "limit-mm-per-prompt", "speculative-config", "VLLM_PP_LAYER_PARTITION", "VLLM_USE_V1",
    "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS", "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
})  # fmt: skip
"""Arguments whose effect the settings tell. Any other that is new or another voids all that was measured."""


def is_comparable(recorded: ModelStart, args: Arguments) -> bool:
    """Whether all that these arguments have otherwise than a start is of known effect.

    What only the start's own command line has is still there at the next: the overlay leaves it alone.
    """
    return all(flag in JUDGED or flag in HARMLESS or recorded.args.get(flag) == args[flag] for flag in args)


@dataclass(frozen=True, slots=True)
class Taught:
    """What one rank measured; None where it did not, or where that no longer holds."""

    weights: Size | None
    activations: Size | None
    graphs: Size | None
    non_torch: Size | None
    cache: Size | None
    summed: frozenset[str] = frozenset()
    """Parts that were not printed: reckoned, so that they and all else add up to what the cache was left."""

    def demand(self, modelled: Demand, end: End, restart: int = 0) -> Demand:
        """The demand with what is known instead of what was reckoned, at one end of the spreads.

        ``restart`` = bytes that another start with the same arguments may take more at that end.
        """
        return replace(
            modelled,
            weights=at(self.weights, end) if self.weights else modelled.weights,
            activations=at(self.activations, end) if self.activations else modelled.activations,
            graphs=at(self.graphs, end) if self.graphs else modelled.graphs,
            non_torch=at(self.non_torch, end) + restart if self.non_torch else modelled.non_torch,
        )

    @property
    def origins(self) -> Origins:
        """Where the numbers of a share come from; the context holds more than any start prints."""
        learned = any((self.weights, self.activations, self.non_torch))
        return Origins(
            weights=self._origin("weights", self.weights),
            kv_cache=Origin.CALIBRATED if learned and not self.cache else self._origin("cache", self.cache),
            activations=self._origin("activations", self.activations),
            graphs=self._origin("graphs", self.graphs),
            context=Origin.CALIBRATED if self.non_torch else Origin.MODELLED,
        )

    def _origin(self, part: str, known: Size | None) -> Origin:
        if known is None:
            return Origin.MODELLED
        return Origin.CALIBRATED if part in self.summed else Origin.MEASURED

    def kept(self, holds: Mapping[str, bool]) -> Taught:
        """Without the parts that no longer hold."""
        return Taught(
            self.weights if holds["weights"] else None,
            self.activations if holds["activations"] else None,
            self.graphs if holds["graphs"] else None,
            self.non_torch if holds["non_torch"] else None,
            self.cache if holds["cache"] else None,
            self.summed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A recorded start: the settings it had, and what each of its ranks measured."""

    then: Settings
    ranks: tuple[Taught, ...]

    def holding(self, now: Settings, *, same_room: bool) -> tuple[Taught, ...]:
        """What each rank measured, as far as it holds for a start with these settings; empty where nothing does.

        ``same_room`` = whether it finds as much memory as the recorded one did, so that the cache can be the same.
        """
        holds = {part: self._same(now, part) for part in HOLDS_WHILE}
        holds["cache"] = holds["cache"] and same_room
        return tuple(rank.kept(holds) for rank in self.ranks) if any(holds.values()) else ()

    def has_tokens(self, now: Settings) -> bool:
        """Whether the cache has the recorded tokens, as the engine counts them."""
        return self._same(now, "tokens")

    def _same(self, now: Settings, part: str) -> bool:
        return all(getattr(self.then, each) == getattr(now, each) for each in HOLDS_WHILE[part])


def lesson(recorded: ModelStart, then: Settings, ranks: Sequence[Rank], era: Era, held: int) -> Lesson:
    """What a start measured.

    Args:
        recorded: The start.
        then: Its settings.
        ranks: Its ranks as they are reckoned, alone on their GPUs.
        era: Of its version.
        held: Bytes driver and context take of each GPU, which some versions count.
    """
    startup = recorded.startup
    sized = startup.planned or then.cache_bytes or then.blocks
    learned = []
    for rank, said in _paired(recorded, ranks):
        cache = _cache(said, _counted(startup, rank.layout, era))
        printed = Taught(said.weights, said.activations, said.graphs, said.non_torch, cache)
        learned.append(printed if cache is None or sized else _balanced(printed, cache, rank, era, held))
    return Lesson(then, tuple(learned))


def _balanced(printed: Taught, cache: Size, rank: Rank, era: Era, held: int) -> Taught:
    """What the budget of a start that measured its cache leaves for what it did not print."""
    demand = replace(printed.demand(rank.demand, End.CENTRAL), non_torch=0)
    rest = Size(cache_bytes(rank.requested, demand, era, held) - cache.bytes, cache.within)
    # what was not printed is the model's share of an exact sum, in which nothing is below zero
    over = min(0, rest.bytes) if printed.activations is None else 0
    return Taught(
        weights=printed.weights or Size(demand.weights),
        activations=printed.activations or Size(demand.activations + over),
        graphs=printed.graphs or (Size(demand.graphs) if demand.counts_graphs else None),
        non_torch=replace(rest, bytes=rest.bytes - over),
        cache=cache,
        summed=frozenset(part for part in ("weights", "activations", "graphs") if getattr(printed, part) is None),
    )


def _cache(said: RankStart, counted: Size | None) -> Size | None:
    """The size of the cache: as counted where that agrees with what was printed, which is rounded further."""
    if counted is None or said.cache is None:
        return said.cache or counted
    agrees = abs(said.cache.bytes - counted.bytes) <= said.cache.within + counted.within
    return counted if agrees else said.cache


def _counted(startup: Startup, layout: Layout, era: Era) -> Size | None:
    """The cache by its blocks, or by its tokens where the version counts them as blocks x block size."""
    blocks, step = startup.cache_blocks, 1
    by_blocks = not (era.generation is Generation.V1 and era.tokens_by_concurrency) and not layout.packed
    if blocks is None and startup.cache_tokens and layout.groups and by_blocks:
        step = len(layout.groups)
        width = min(group.block for group in layout.groups) * layout.ranks_per_sequence
        blocks = startup.cache_tokens // width * step
    if not blocks or not layout.groups:
        return None
    half = step * layout.bytes_per_block // 2
    return Size(blocks * layout.bytes_per_block + half, half)


def _paired(recorded: ModelStart, ranks: Sequence[Rank]) -> Iterable[tuple[Rank, RankStart]]:
    """Each rank with what it said; where not every one is told apart, with what any of them said."""
    said = recorded.startup.ranks
    if len(said) == len(ranks):
        return zip(ranks, said, strict=True)
    return ((rank, _any_of(said)) for rank in ranks)


def _any_of(said: Sequence[RankStart]) -> RankStart:
    return RankStart(
        "",
        _spread(rank.weights for rank in said),
        _spread(rank.activations for rank in said),
        _spread(rank.non_torch for rank in said),
        _spread(rank.graphs for rank in said),
        _spread(rank.cache for rank in said),
    )


def _spread(sizes: Iterable[Size | None]) -> Size | None:
    known = [size for size in sizes if size]
    if not known:
        return None
    low, high = min(size.bytes - size.within for size in known), max(size.bytes + size.within for size in known)
    return Size((low + high) // 2, (high - low + 1) // 2)
