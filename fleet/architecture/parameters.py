"""How many weights each part of a model has, on one of so many ranks.

Counts follow the layer shapes of vLLM's ``model_executor/models``: column and row parallel layers are split over
the tensor parallel group; norms, routers, latent down-projections and KV heads beyond the model's own are copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fleet.architecture.architecture import (
    Architecture,
    CompressedAttention,
    Experts,
    Heads,
    LatentAttention,
    Part,
    Recurrence,
    Span,
    State,
)

LIKELY = 0.3
"""A checkpoint that differs more than this from what its fields make is another model's."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One weight as an engine keeps it: projections that read the same input are one."""

    part: Part | None
    """None is never quantised: norms, biases, convolutions, routers."""
    elements: int
    row: int = 0
    """Elements of one row, where the engine may pad it."""


@lru_cache(maxsize=4096)
def parameters(architecture: Architecture) -> int:
    """The model's parameters, towers included, as its checkpoint counts them."""
    layers = sum(
        tensor.elements for layer in range(architecture.layers) for tensor in layer_tensors(architecture, layer)
    )
    tables = architecture.vocab * architecture.hidden
    if architecture.has_head and not architecture.ties_embeddings:
        tables *= 2
    return layers + tables + outside(architecture) + architecture.extra_parameters


def outside(architecture: Architecture) -> int:
    """Weights that are neither in a layer nor in a vocabulary table: last norm, positions, towers."""
    hidden = architecture.hidden
    total = hidden * (2 if architecture.norm_bias else 1) + architecture.learned_positions * hidden
    if architecture.vision:
        total += architecture.vision.parameters(hidden)
    if architecture.audio:
        total += architecture.audio.parameters(hidden)
    if architecture.per_layer_embedding:
        width = architecture.per_layer_embedding * architecture.layers
        total += architecture.vocab * width + hidden * width
    return total


def layer_tensors(architecture: Architecture, layer: int, tp: int = 1, ep: int = 1) -> tuple[Tensor, ...]:
    """The weights of that layer (from 0) on one of ``tp`` ranks, whole experts over ``ep`` of them."""
    span, hidden = architecture.spans[layer], architecture.hidden
    norms = Tensor(None, architecture.norms_per_layer * hidden * (2 if architecture.norm_bias else 1))
    if span is Span.RECURRENT and architecture.state:
        mixer = _state(architecture.state, hidden, tp)
    elif architecture.compressed:
        mixer = _compressed(architecture, architecture.compressed, layer, tp)
    elif architecture.latent:
        mixer = _latent(architecture, architecture.latent, tp)
    elif architecture.model_type == "nemotron_h" and span is Span.NONE:
        mixer = ()
    else:
        mixer = _attention(architecture, span, tp) * (2 if architecture.cross_attention else 1)
    return (norms, *mixer, *_mlp(architecture, layer, tp, ep))


def _split(size: int, over: int) -> int:
    return -(-size // over)


def _attention(architecture: Architecture, span: Span, tp: int) -> tuple[Tensor, ...]:
    """The projections of queries, keys and values in one, the output, and the biases and norms beside them."""
    hidden, heads = architecture.hidden, _split(architecture.heads, tp)
    kept: Heads = architecture.heads_of(span)
    queries = heads * kept.key_dim
    cached = max(1, kept.count // tp) * kept.key_dim
    values = 0 if architecture.keys_are_values and span is Span.FULL else cached
    gate = queries if architecture.attention_gate else 0
    beside = 2 * kept.key_dim if architecture.qk_norm else 0
    if architecture.qkv_bias or architecture.attention_bias:
        beside += queries + cached + values + (hidden if architecture.attention_bias else 0)
    if architecture.experts and architecture.experts.biases:
        beside += heads  # GPT-OSS's sinks
    if architecture.per_layer_embedding:
        beside += 2 * hidden * architecture.per_layer_embedding + hidden
    return (
        Tensor(Part.ATTENTION, hidden * (queries + gate + cached + values), hidden),
        Tensor(Part.ATTENTION, queries * hidden, queries),
        Tensor(None, beside),
    )


def _latent(architecture: Architecture, latent: LatentAttention, tp: int) -> tuple[Tensor, ...]:
    hidden, heads = architecture.hidden, _split(architecture.heads, tp)
    key, rank = latent.nope_dim + latent.rope_dim, latent.query_rank
    beside = (rank or 0) + latent.kv_rank
    if latent.indexer_heads:
        beside += (rank or hidden) * latent.indexer_heads * latent.indexer_dim
        beside += hidden * (latent.indexer_dim + latent.indexer_heads) + 2 * latent.indexer_dim
    return (
        Tensor(Part.ATTENTION, hidden * ((rank or heads * key) + latent.cached_width), hidden),
        Tensor(Part.ATTENTION, rank * heads * key if rank else 0, rank or 0),
        Tensor(Part.ATTENTION, latent.kv_rank * heads * (latent.nope_dim + latent.value_dim), latent.kv_rank),
        Tensor(Part.ATTENTION, heads * latent.value_dim * hidden, heads * latent.value_dim),
        Tensor(None, beside),
    )


def _compressed(architecture: Architecture, compressed: CompressedAttention, layer: int, tp: int) -> tuple[Tensor, ...]:
    """Low-rank queries, one shared key and value, a compressor, and an output in two steps."""
    hidden, heads = architecture.hidden, _split(architecture.heads, tp)
    ratio = compressed.ratios[layer] if layer < len(compressed.ratios) else 0
    compressor = 2 * hidden * compressed.width if ratio else 0
    indexer = compressed.query_rank * compressed.indexer_heads * compressed.indexer_dim if ratio == 4 else 0
    return (
        Tensor(Part.ATTENTION, hidden * (compressed.query_rank + compressed.width)),
        Tensor(Part.ATTENTION, compressed.query_rank * heads * compressed.width),
        Tensor(Part.ATTENTION, heads * compressed.width * compressed.output_rank),
        Tensor(Part.ATTENTION, compressed.output_rank * 8 // tp * hidden + indexer),
        Tensor(None, compressor + compressed.query_rank + compressed.width),
    )


def _state(state: State, hidden: int, tp: int) -> tuple[Tensor, ...]:
    """Projections of a recurrent layer, and its convolution, decays and norms."""
    inner, heads = _split(state.inner, tp), _split(state.heads, tp)
    keys = _split(state.groups * state.state_dim, tp)
    match state.kind:
        case Recurrence.DELTA_NET:
            projected, convolved, beside = (
                2 * keys + 2 * inner + 2 * heads,
                2 * keys + inner,
                2 * heads + state.head_dim,
            )
        case Recurrence.KIMI_DELTA:
            projected, convolved = 3 * inner + 2 * state.head_dim + heads, 3 * inner
            beside = heads + inner + state.head_dim + 2 * state.head_dim * inner
        case Recurrence.MAMBA2:
            projected, convolved = 2 * inner + 2 * keys + heads, inner + 2 * keys
            beside = 3 * heads + inner + convolved
        case Recurrence.MAMBA1:
            rank = state.groups
            projected, convolved = 2 * inner, inner
            beside = inner * (2 * rank + 3 * state.state_dim + 3) + rank + 2 * state.state_dim
    return (
        Tensor(Part.RECURRENT, hidden * projected, hidden),
        Tensor(Part.RECURRENT, inner * hidden, inner),
        Tensor(None, convolved * state.kernel + beside),
    )


def _mlp(architecture: Architecture, layer: int, tp: int, ep: int) -> tuple[Tensor, ...]:
    """The ordinary MLP, or shared experts, routed experts and their router."""
    hidden, experts = architecture.hidden, architecture.experts
    widths = architecture.mlp_widths
    width = _split(widths[layer] if layer < len(widths) else architecture.intermediate, tp)
    ups = 2 if architecture.gated_mlp else 1
    dense = (
        Tensor(Part.MLP, ups * hidden * width, hidden),
        Tensor(Part.MLP, hidden * width, width),
        Tensor(None, ups * width + hidden if architecture.mlp_bias else 0),
    )
    if experts is None or not architecture.has_experts(layer):
        mixes = architecture.model_type == "nemotron_h" and architecture.spans[layer] is not Span.NONE
        return () if mixes else dense
    return (*(dense if experts.beside_mlp else ()), *_experts(experts, hidden, tp, ep))


def _experts(experts: Experts, hidden: int, tp: int, ep: int) -> tuple[Tensor, ...]:
    shared = _split(experts.shared_intermediate, tp)
    here = _split(experts.count, ep)
    width = experts.intermediate if ep > 1 else _split(experts.intermediate, tp)
    biases = here * (2 * width + hidden) if experts.biases else 0
    router = experts.count * (hidden + (1 if experts.biases else 0)) + (hidden if experts.shared_gate else 0)
    return (
        Tensor(Part.MLP, 2 * hidden * shared, hidden),
        Tensor(Part.MLP, hidden * shared, shared),
        Tensor(Part.EXPERTS, here * 2 * width * hidden, hidden),
        Tensor(Part.EXPERTS, here * width * hidden, width),
        Tensor(None, router + biases),
    )
