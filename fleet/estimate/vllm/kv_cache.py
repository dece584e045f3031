"""The KV cache: bytes of a page, how layers share block tables, how many blocks fit, what one request needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from fleet.architecture.architecture import Architecture, Heads, Span
from fleet.estimate.vllm.compressed import compressed_pages
from fleet.estimate.vllm.pages import Caching, Pages
from fleet.estimate.vllm.recurrent import aligned_block, state_bytes
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.stages import Stage
from fleet.estimate.vllm.versions import Admission, Era, Generation, uses_second_runner

_HALF_BYTES = {"int4_per_token_head": 0.5, "nvfp4": 0.5}
_SPARSE_LATENT_BYTES = 656
"""One token of sparse latent attention in fp8: 512 values, their scales, and 64 rotated ones in 16 bit."""
_INDEX_SCALE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """How the layers of one rank share the pool. A block id names one page in each layer of a group."""

    groups: tuple[Pages, ...]
    """One per block table, ``count`` layers each."""
    layers: tuple[Pages, ...]
    """The layers as they are, before pages were made alike and groups padded."""
    ranks_per_sequence: int = 1
    """GPUs that share the tokens of one sequence."""
    packed: bool = False
    """Every kind's pages lie in one block, each kind with as many blocks as it needs (DeepSeek-V4)."""

    @property
    def bytes_per_block(self) -> int:
        """Pool taken by one block id: the widest group's pages; 1 where nothing is kept."""
        each = [group.count * group.page_bytes for group in self.groups]
        return (sum(each) if self.packed else max(each, default=0)) or 1


def vector_bytes(dtype: str, elements: int, auto: int) -> int:
    """Bytes of one head's key (or value) of one token; ``auto`` = bytes of an element of the model's own type."""
    if dtype in ("auto", "bfloat16", "float16", "bf16", "fp16"):
        return elements * (auto if dtype == "auto" else 2)
    if dtype == "nvfp4":
        return elements // 2 + elements // 16
    if dtype.endswith("per_token_head"):
        return round(elements * _HALF_BYTES.get(dtype, 1.0)) + 4  # one fp32 scale per head and token
    return elements  # fp8 in all its spellings


def layout(architecture: Architecture, stage: Stage, settings: Settings, era: Era) -> Layout:
    """The block tables of one rank (v1/core/kv_cache_utils.py); V0 has one, with every layer in full."""
    return _layout(architecture, stage, Caching.of(settings), era)


@lru_cache(maxsize=4096)
def _layout(architecture: Architecture, stage: Stage, caching: Caching, era: Era) -> Layout:
    if architecture.compressed:
        pages = compressed_pages(architecture.compressed, stage)
        return Layout(pages, pages, packed=True)
    kinds = Counter(dict(_spans(architecture, stage)))
    cross = sum(kinds.values()) if architecture.cross_attention else kinds[Span.CROSS]
    if era.generation is Generation.V0 or not caching.groups_layers:
        full = sum(kinds[span] for span in (Span.FULL, Span.SLIDING, Span.CHUNKED, Span.CROSS))
        if architecture.audio and architecture.cross_attention and era.generation is Generation.V0:
            full = architecture.audio.layers  # V0 counts num_hidden_layers, which is the encoder's
        kinds = Counter({Span.FULL: full, Span.RECURRENT: kinds[Span.RECURRENT]})
        cross = kinds[Span.FULL] if architecture.cross_attention and era.generation is Generation.V1 else 0
    kinds[Span.FULL] += kinds.pop(Span.CHUNKED, 0)  # the hybrid manager leaves chunks out unless told otherwise
    layers = [
        _attention(architecture, span, kinds[span], caching, era) for span in (Span.FULL, Span.SLIDING) if kinds[span]
    ]
    if cross:
        encoded = _attention(architecture, Span.FULL, cross, caching, era)
        layers.append(replace(encoded, span=Span.CROSS, window=architecture.encoder_tokens))
    if caching.draft and caching.draft.layers and stage.last and layers:
        layers[0] = replace(layers[0], count=layers[0].count + caching.draft.layers)
    if kinds[Span.RECURRENT] and architecture.state and era.generation is Generation.V1:
        layers = _with_state(architecture, kinds[Span.RECURRENT], layers, caching, era)
    return Layout(_groups(tuple(layers), era.group_ratio), tuple(layers), caching.context_parallel)


@lru_cache(maxsize=4096)
def _spans(architecture: Architecture, stage: Stage) -> tuple[tuple[Span, int], ...]:
    return tuple(Counter(architecture.spans[stage.layers.start : stage.layers.stop]).items())


def _attention(architecture: Architecture, span: Span, count: int, caching: Caching, era: Era) -> Pages:
    page = caching.block_size * token_bytes(architecture, span, caching, latent_in_full=era.latent_in_full)
    return Pages(count, page, caching.block_size, span, architecture.sliding_window if span is Span.SLIDING else None)


def _with_state(architecture: Architecture, count: int, layers: list[Pages], caching: Caching, era: Era) -> list[Pages]:
    """Blocks of attention made as large as one state, and states padded to them."""
    assert architecture.state is not None, "only layers with a state come here"
    drafted = caching.draft.tokens if caching.draft else 0
    state = state_bytes(architecture.state, caching, drafted)
    kept = 1 + drafted + (1 if caching.prefix_caching else 0)
    if not layers:
        return [Pages(count, state, caching.block_size, Span.RECURRENT, kept)]
    token = max(pages.page_bytes // pages.block for pages in layers)
    block = aligned_block(state, token, caching, era, latent=architecture.latent is not None)
    wider = [replace(pages, page_bytes=pages.page_bytes // pages.block * block, block=block) for pages in layers]
    return [*wider, Pages(count, block * token, block, Span.RECURRENT, kept)]


def token_bytes(architecture: Architecture, span: Span, caching: Caching, *, latent_in_full: bool = False) -> int:
    """Bytes one layer keeps for one token on one GPU. A latent is not split; spare KV heads are copied."""
    latent, dtype, auto = architecture.latent, caching.cache_dtype, caching.weight_bytes
    if latent and latent.indexer_dim:
        index = latent.indexer_dim + _INDEX_SCALE_BYTES
        sparse = dtype.startswith("fp8")
        return index + (_SPARSE_LATENT_BYTES if sparse else vector_bytes(dtype, latent.cached_width, auto))
    if latent and latent_in_full:
        width = latent.nope_dim + latent.rope_dim
        return heads_bytes(Heads(architecture.heads, width, width), caching)
    if latent:
        return vector_bytes(dtype, latent.cached_width, auto)
    return heads_bytes(architecture.heads_of(span), caching)


def heads_bytes(heads: Heads, caching: Caching) -> int:
    """Keys and values of one token on one GPU."""
    count = max(1, heads.count // caching.tensor_parallel)
    dtype, auto = caching.cache_dtype, caching.weight_bytes
    return count * (vector_bytes(dtype, heads.key_dim, auto) + vector_bytes(dtype, heads.value_dim, auto))


def _groups(layers: tuple[Pages, ...], ratio: float | None) -> tuple[Pages, ...]:
    """Equal groups of like layers: as many per group as the rarest kind has, or the commonest where nearly equal."""
    if len(layers) <= 1:
        return layers
    alike = _unified(layers)
    most, least = max(kind.count for kind in alike), min(kind.count for kind in alike)
    size = most if ratio is not None and most < least * ratio else least
    return tuple(replace(kind, count=size) for kind in alike for _ in range(-(-kind.count // size)))


def _unified(layers: tuple[Pages, ...]) -> tuple[Pages, ...]:
    """Every kind with pages as large as the largest: longer blocks where they divide it, else padding."""
    largest = max(kind.page_bytes for kind in layers)
    return tuple(
        replace(
            kind,
            page_bytes=largest,
            block=kind.block if kind.span is Span.RECURRENT else kind.block * (largest // kind.page_bytes),
        )
        for kind in layers
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


def request_blocks(pages: Pages, length: int, in_flight: int, ranks: int = 1) -> int:
    """Blocks one request of that length holds in one group; ``in_flight`` = tokens being computed meanwhile."""
    match pages.span:
        case Span.RECURRENT:
            return pages.window or 1
        case Span.CROSS:
            return -(-(pages.window or 0) // pages.block)
        case Span.SLIDING if pages.window is not None:
            return -(-min(pages.window - 1 + in_flight, length) // pages.block) + 1
    return -(-length // (pages.block * ranks))


def in_flight_tokens(architecture: Architecture, settings: Settings, era: Era) -> int:
    """Tokens a sliding layer must keep beyond its window: one batch, from 0.26 one per batch in flight."""
    if not era.doubles_window and not architecture.compressed:
        return settings.batched_tokens
    if settings.pipeline_parallel == 1:
        return 2 * settings.batched_tokens
    batches = settings.pipeline_parallel + (1 if uses_second_runner(era, architecture) else 0)
    return batches * settings.batched_tokens


def needed_bytes(plan: Layout, length: int, in_flight: int, era: Era) -> int:
    """Bytes the engine wants to see for one request of that length before it starts."""
    ranks = plan.ranks_per_sequence
    if plan.packed or era.generation is Generation.V0 or era.admission is Admission.LAYERS:
        return sum(
            kind.count * kind.page_bytes * request_blocks(kind, length, in_flight, ranks) for kind in plan.layers
        )
    counted = plan.groups if era.admission is Admission.GROUPS else plan.groups[:1]
    return plan.bytes_per_block * sum(request_blocks(group, length, in_flight, ranks) for group in counted)


def admits(plan: Layout, available: int, length: int, in_flight: int, era: Era) -> bool:
    """Whether an engine with that much cache memory takes a model of that largest length."""
    if not plan.groups:
        return True
    if available <= 0:
        return False
    if era.generation is Generation.V0:
        return length <= available // plan.bytes_per_block * plan.groups[0].block
    held_back = plan.bytes_per_block if era.reserves_null_block else 0
    return needed_bytes(plan, length, in_flight, era) <= available - held_back


def pool(plan: Layout, available: int, length: int, in_flight: int, era: Era) -> Pool:
    """The pool that fits into ``available`` bytes, and what the engine reports of it."""
    if not plan.groups:
        return Pool(0, 0, 0, 0.0)
    blocks = max(0, available) // plan.bytes_per_block
    ranks = plan.ranks_per_sequence
    if plan.packed:
        concurrency = max(0, available) / needed_bytes(plan, length, in_flight, era)
        return Pool(blocks, plan.bytes_per_block, int(concurrency * length), concurrency)
    per_request = sum(request_blocks(group, length, in_flight, ranks) for group in plan.groups)
    concurrency = blocks / per_request
    if era.generation is Generation.V1 and era.tokens_by_concurrency:
        tokens = int(concurrency * length)
    else:
        tokens = blocks // len(plan.groups) * min(group.block for group in plan.groups) * ranks
    return Pool(blocks, plan.bytes_per_block, tokens, concurrency)
