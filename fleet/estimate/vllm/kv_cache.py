"""The KV cache: bytes of a page, how layers share block tables, how many blocks fit, what one request needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fleet.architecture.architecture import Architecture, Span
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.stages import Stage
from fleet.estimate.vllm.versions import Admission, Era, Generation, uses_second_runner

_HALF_BYTES = {"int4_per_token_head": 0.5, "nvfp4": 0.5}


@dataclass(frozen=True, slots=True)
class Pages:
    """Layers that are alike: each keeps one page of ``page_bytes`` for every ``block`` tokens it looks back on."""

    count: int
    page_bytes: int
    block: int
    window: int | None = None
    """None looks back on everything."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the layers of one rank share the pool. A block id names one page in each layer of a group."""

    groups: tuple[Pages, ...]
    """One per block table, ``count`` layers each."""
    layers: tuple[Pages, ...]
    """The layers as they are, before pages were made alike and groups padded."""

    @property
    def bytes_per_block(self) -> int:
        """Pool taken by one block id: the widest group's pages."""
        return max(group.count * group.page_bytes for group in self.groups)


def vector_bytes(dtype: str, elements: int, auto: int) -> int:
    """Bytes of one head's key (or value) of one token; ``auto`` = bytes of an element of the model's own type."""
    if dtype == "auto" or dtype in ("bfloat16", "float16"):
        return elements * auto
    if dtype == "nvfp4":
        return elements // 2 + elements // 16
    if dtype.endswith("per_token_head"):
        return round(elements * _HALF_BYTES.get(dtype, 1.0)) + 4  # one fp32 scale per head and token
    return elements  # fp8 in all its spellings


def layout(architecture: Architecture, stage: Stage, settings: Settings, era: Era) -> Layout:
    """The block tables of one rank (v1/core/kv_cache_utils.py); V0 has one, with every layer in full."""
    token = _token_bytes(architecture, settings)
    page = settings.block_size * token
    if era.groups_layers and architecture.sliding_window:
        spans = Counter(architecture.spans[layer] for layer in stage.layers)
    else:
        spans = Counter({Span.FULL: len(stage.layers)})
    layers = tuple(
        Pages(count, page, settings.block_size, architecture.sliding_window if span is Span.SLIDING else None)
        for span, count in spans.items()
    )
    return Layout(_groups(layers, era.group_ratio), layers)


def _token_bytes(architecture: Architecture, settings: Settings) -> int:
    """Bytes one layer keeps for one token on one GPU. A latent is not split; spare KV heads are copied."""
    if architecture.latent:
        return vector_bytes(settings.cache_dtype, architecture.latent.cached_width, settings.weight_bytes)
    heads = max(1, architecture.kv_heads // settings.tensor_parallel)
    return heads * 2 * vector_bytes(settings.cache_dtype, architecture.head_dim, settings.weight_bytes)


def _groups(layers: tuple[Pages, ...], ratio: float | None) -> tuple[Pages, ...]:
    """Equal groups of like layers: as many per group as the rarer kind has, or the commoner where nearly equal."""
    if len(layers) == 1:
        return layers
    most, least = max(kind.count for kind in layers), min(kind.count for kind in layers)
    size = most if ratio is not None and most < least * ratio else least
    return tuple(
        Pages(size, kind.page_bytes, kind.block, kind.window) for kind in layers for _ in range(-(-kind.count // size))
    )


@dataclass(frozen=True, slots=True)
class Pool:
    """The cache of a whole engine: the fewest blocks any rank has room for."""

    blocks: int
    bytes_per_block: int
    tokens: int
    """As the engine reports them."""
    concurrency: float
    """Requests of the largest length that fit at once."""


def request_blocks(pages: Pages, length: int, in_flight: int) -> int:
    """Blocks one request of that length holds in one group; ``in_flight`` = tokens being computed meanwhile."""
    if pages.window is None:
        return -(-length // pages.block)
    return -(-min(pages.window - 1 + in_flight, length) // pages.block) + 1


def in_flight_tokens(architecture: Architecture, settings: Settings, era: Era) -> int:
    """Tokens a sliding layer must keep beyond its window: one batch, from 0.26 one per batch in flight."""
    if not era.doubles_window:
        return settings.batched_tokens
    if settings.pipeline_parallel == 1:
        return 2 * settings.batched_tokens
    batches = settings.pipeline_parallel + (1 if uses_second_runner(era, architecture) else 0)
    return batches * settings.batched_tokens


def needed_bytes(plan: Layout, length: int, in_flight: int, era: Era) -> int:
    """Bytes the engine wants to see for one request of that length before it starts."""
    if era.generation is Generation.V0 or era.admission is Admission.LAYERS:
        return sum(kind.count * kind.page_bytes * request_blocks(kind, length, in_flight) for kind in plan.layers)
    counted = plan.groups if era.admission is Admission.GROUPS else plan.groups[:1]
    return plan.bytes_per_block * sum(request_blocks(group, length, in_flight) for group in counted)


def admits(plan: Layout, available: int, length: int, in_flight: int, era: Era) -> bool:
    """Whether an engine with that much cache memory takes a model of that largest length."""
    if available <= 0:
        return False
    if era.generation is Generation.V0:
        return length <= available // plan.bytes_per_block * plan.groups[0].block
    held_back = plan.bytes_per_block if era.reserves_null_block else 0
    return needed_bytes(plan, length, in_flight, era) <= available - held_back


def pool(plan: Layout, available: int, length: int, in_flight: int, era: Era) -> Pool:
    """The pool that fits into ``available`` bytes, and what the engine reports of it."""
    blocks = max(0, available) // plan.bytes_per_block
    per_request = sum(request_blocks(group, length, in_flight) for group in plan.groups)
    concurrency = blocks / per_request
    if era.generation is Generation.V1 and era.tokens_by_concurrency:
        tokens = int(concurrency * length)
    else:
        tokens = blocks // len(plan.groups) * min(group.block for group in plan.groups)
    return Pool(blocks, plan.bytes_per_block, tokens, concurrency)
