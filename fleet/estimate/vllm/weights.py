"""Bytes of weights on one GPU, from the architecture."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.architecture.architecture import Architecture, Experts
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.stages import Stage

_VOCABULARY_STEP = 64
"""The vocabulary is padded to a multiple of this before it is split over GPUs (VocabParallelEmbedding)."""


@dataclass(frozen=True, slots=True)
class _Elements:
    """Weights of one layer on one GPU, by how they are stored."""

    attention: int = 0
    mlp: int = 0
    experts: int = 0
    plain: int = 0
    """Norms, biases and routers: never quantised."""


def rank_bytes(architecture: Architecture, stage: Stage, settings: Settings) -> int:
    """Bytes the weights of one rank of a stage take, with the tables rotary positions are read from.

    Column and row parallel layers and both vocabulary tables are split over the tensor parallel group; norms,
    routers, latent projections and KV heads beyond the model's own are copied to every rank.
    """
    tp, plain = settings.tensor_parallel, settings.weight_bytes
    linear, expert = _linear_bytes(architecture, settings)
    total = 0.0
    mixtures = architecture.expert_layers(stage.layers)
    for count, has_experts in ((len(stage.layers) - mixtures, False), (mixtures, True)):
        if count:
            layer = _layer(architecture, tp, has_experts)
            stored = (layer.attention + layer.mlp) * linear + layer.experts * expert + layer.plain * plain
            total += count * (stored + _dequantised_latent(architecture, tp, linear))
    return round(total) + plain * _outside_layers(architecture, stage, tp) + rope_bytes(architecture)


def parameters(architecture: Architecture) -> int:
    """The model's parameters, vision included, as its checkpoint counts them."""
    mixtures = architecture.expert_layers(range(architecture.layers))
    layers = 0
    for count, has_experts in ((architecture.layers - mixtures, False), (mixtures, True)):
        layer = _layer(architecture, 1, has_experts)
        layers += count * (layer.attention + layer.mlp + layer.experts + layer.plain)
    tables = architecture.vocab * architecture.hidden * (1 if architecture.ties_embeddings else 2)
    vision = architecture.vision.parameters(architecture.hidden) if architecture.vision else 0
    return layers + tables + architecture.hidden + vision


def rope_bytes(architecture: Architecture) -> int:
    """The cosines and sines of every position, 16 bit, once per GPU however many share the model.

    On Llama-3.1-8B they are the 0.03 GiB between its 14.96 GiB of parameters and the 14.99 vLLM prints.
    """
    row = 2 * architecture.rotary_dim
    local = architecture.max_positions * row if architecture.local_rope else 0
    return architecture.rope_positions * row + local


def _linear_bytes(architecture: Architecture, settings: Settings) -> tuple[float, float]:
    """Bytes of one linear weight, and of one of an expert."""
    if settings.runtime_fp8:
        return 1.0, 1.0
    quantization = architecture.quantization
    if quantization is None:
        return settings.weight_bytes, settings.weight_bytes
    stored = quantization.bytes_per_weight
    return (settings.weight_bytes if quantization.experts_only else stored), stored


def _layer(architecture: Architecture, tp: int, has_experts: bool) -> _Elements:
    norms = architecture.norms_per_layer * architecture.hidden
    attention, extra = _attention(architecture, tp)
    if not has_experts or architecture.experts is None:
        matrices = 3 if architecture.gated_mlp else 2
        mlp = matrices * architecture.hidden * -(-architecture.intermediate // tp)
        return _Elements(attention=attention, mlp=mlp, plain=norms + extra)
    mlp, experts, router = _experts(architecture.experts, architecture.hidden, tp)
    return _Elements(attention, mlp, experts, norms + extra + router)


def _attention(architecture: Architecture, tp: int) -> tuple[int, int]:
    """Projections, and the biases and norms beside them."""
    hidden, heads = architecture.hidden, -(-architecture.heads // tp)
    latent = architecture.latent
    if latent:
        key = latent.nope_dim + latent.rope_dim
        rank = latent.query_rank
        query = hidden * rank + rank * heads * key if rank else hidden * heads * key
        down = hidden * latent.cached_width
        up = latent.kv_rank * heads * (latent.nope_dim + latent.value_dim)
        return query + down + up + heads * latent.value_dim * hidden, (rank or 0) + latent.kv_rank
    width, cached = heads * architecture.head_dim, max(1, architecture.kv_heads // tp) * architecture.head_dim
    biases = width + 2 * cached if architecture.qkv_bias else 0
    norms = 2 * architecture.head_dim if architecture.qk_norm else 0
    return 2 * hidden * width + 2 * hidden * cached, biases + norms


def _experts(experts: Experts, hidden: int, tp: int) -> tuple[int, int, int]:
    """Shared experts, routed experts, and the router with the shared gate."""
    shared = 3 * hidden * -(-experts.shared_intermediate // tp)
    routed = experts.count * 3 * hidden * -(-experts.intermediate // tp)
    return shared, routed, experts.count * hidden + (hidden if experts.shared_gate else 0)


def _dequantised_latent(architecture: Architecture, tp: int, linear: float) -> int:
    """A quantised up-projection is kept a second time in 16 bit, for the absorbed attention."""
    latent = architecture.latent
    if latent is None or linear >= 2:
        return 0
    return 2 * -(-architecture.heads // tp) * (latent.nope_dim + latent.value_dim) * latent.kv_rank


def _outside_layers(architecture: Architecture, stage: Stage, tp: int) -> int:
    """Elements of the embedding, the head, the last norm and the vision tower on one rank."""
    padded = -(-architecture.vocab // _VOCABULARY_STEP) * _VOCABULARY_STEP
    table = -(-padded // tp) * architecture.hidden
    total = table if stage.first or (stage.last and architecture.ties_embeddings) else 0
    if stage.last:
        total += architecture.hidden + (0 if architecture.ties_embeddings else table)
    if stage.first and architecture.vision:
        total += -(-architecture.vision.parameters(architecture.hidden) // tp)
    return total
