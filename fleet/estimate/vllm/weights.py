"""Bytes of weights on one GPU, from the architecture."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from fleet.architecture.architecture import Architecture, Part, Span
from fleet.architecture.parameters import Tensor, layer_tensors, outside
from fleet.architecture.stored import Stored
from fleet.estimate.vllm.allocator import taken_bytes
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.stages import Stage
from fleet.estimate.vllm.versions import Era, Generation

VOCABULARY_STEP = 64
"""The vocabulary is padded to a multiple of this before it is split over GPUs (VocabParallelEmbedding)."""
_ROW_STEP, _ROW_PADDING = 512, 256
"""ROCm pads rows whose bytes divide by the first by the second, against channel conflicts."""


class Loading(NamedTuple):
    """What of the settings decides how weights are stored; most questions about one model share it."""

    tensor_parallel: int
    experts_over: int
    """GPUs that share whole experts; 1 where each expert is split over the tensor parallel group."""
    weight_bytes: int
    runtime_bytes: float | None
    expert_padding: float
    language_only: bool

    @classmethod
    def of(cls, settings: Settings) -> Loading:
        """The part of those settings."""
        parallel = settings.tensor_parallel * settings.data_parallel
        return cls(
            settings.tensor_parallel,
            parallel if settings.expert_parallel else 1,
            settings.weight_bytes,
            settings.runtime_bytes,
            settings.expert_padding,
            settings.language_only,
        )


def rank_bytes(architecture: Architecture, stage: Stage, settings: Settings, era: Era) -> int:
    """Bytes the weights of one rank of a stage take, with the tables rotary positions are read from.

    Column and row parallel layers and both vocabulary tables are split over the tensor parallel group; norms,
    routers, latent projections and KV heads beyond the model's own are copied to every rank.
    """
    return _rank_bytes(architecture, stage, Loading.of(settings), era)


@lru_cache(maxsize=4096)
def _rank_bytes(architecture: Architecture, stage: Stage, loading: Loading, era: Era) -> int:
    rope = rope_bytes(architecture, loading.weight_bytes)
    if architecture.checkpoint_bytes:
        share = len(stage.layers) / architecture.layers / loading.tensor_parallel
        return round(architecture.checkpoint_bytes * share) + rope
    if architecture.stored:
        return _stored_bytes(architecture, architecture.stored, stage, loading, era) + rope
    tables, others = _outside_layers(architecture, stage, loading)
    layers = [
        (_layer_sizes(architecture, layer, loading, era), count)
        for layer, count in distinct_layers(architecture, stage.layers)
    ]
    return taken_bytes([(tables, 1), *layers]) + others + rope


def _stored_bytes(architecture: Architecture, stored: Stored, stage: Stage, loading: Loading, era: Era) -> int:
    """What the checkpoint's headers list, as this rank keeps it."""
    tp, each = loading.tensor_parallel, loading.weight_bytes
    total = 0
    for layer in stage.layers:
        kept = stored.layers[layer]
        total += -(-kept.split.served(each) // tp) + kept.copied.served(each)
        total += _absorbed_latent(architecture, layer, loading, era)
    if stage.first or (stage.last and architecture.ties_embeddings):
        total += -(-stored.embedding.served(each) // tp)
    if stage.first and not loading.language_only:
        total += -(-stored.others.served(each) // tp)
    return total + (-(-stored.head.served(each) // tp) if stage.last and architecture.has_head else 0)


def rope_bytes(architecture: Architecture, weight_bytes: int) -> int:
    """The cosines and sines of every position, once per GPU however many share the model.

    On Llama-3.1-8B they are the 0.03 GiB between its 14.96 GiB of parameters and the 14.99 vLLM prints.
    """
    each = 4 if architecture.latent else weight_bytes  # DeepSeek's scaled tables stay in fp32
    row = each * architecture.rotary_dim
    local = architecture.max_positions * row if architecture.local_rope else 0
    wide = architecture.full_heads.key_dim * weight_bytes if architecture.full_heads else row
    return architecture.rope_positions * wide + local


@lru_cache(maxsize=4096)
def distinct_layers(architecture: Architecture, layers: range) -> tuple[tuple[int, int], ...]:
    """One layer (from 0) of each kind of these, and how many are like it."""
    first: dict[tuple[object, ...], int] = {}
    counts: Counter[int] = Counter()
    ratios, widths = architecture.compressed.ratios if architecture.compressed else (), architecture.mlp_widths
    kept = architecture.quantization.kept_layers if architecture.quantization else 0
    for layer in layers:
        kind = (
            architecture.spans[layer],
            architecture.has_experts(layer),
            ratios[layer] if layer < len(ratios) else 0,
            widths[layer] if layer < len(widths) else 0,
            _is_kept(layer, architecture.layers, kept),
        )
        counts[first.setdefault(kind, layer)] += 1
    return tuple(counts.items())


def _is_kept(layer: int, layers: int, kept: int) -> bool:
    return layer < kept // 2 or layer >= layers - kept // 2


def _layer_sizes(architecture: Architecture, layer: int, loading: Loading, era: Era) -> list[int]:
    """Bytes of the tensors of one layer, scales beside what they scale."""
    sizes: list[int] = []
    for tensor in layer_tensors(architecture, layer, loading.tensor_parallel, loading.experts_over):
        sizes += _tensor_sizes(architecture, tensor, layer, loading, era)
    return [*sizes, _absorbed_latent(architecture, layer, loading, era)]


def _tensor_sizes(
    architecture: Architecture, tensor: Tensor, layer: int, loading: Loading, era: Era
) -> tuple[int, ...]:
    """Bytes of a weight's codes, and of its scales and zero points where it is quantised."""
    each = _bytes_each(architecture, tensor.part, layer, loading)
    code = each if each >= 2 else 1.0 if each >= 1 else min(0.5, each)
    elements = tensor.elements * _padding(tensor, each, loading, era)
    codes = round(elements * code)
    return (codes,) if code == each else (codes, round(elements * (each - code)))


def _bytes_each(architecture: Architecture, part: Part | None, layer: int, loading: Loading) -> float:
    """Bytes of one weight of that part in that layer."""
    plain, quantization = float(loading.weight_bytes), architecture.quantization
    if part is None:
        return plain
    if quantization is None:
        return plain if part is Part.HEAD or loading.runtime_bytes is None else loading.runtime_bytes
    if _is_kept(layer, architecture.layers, quantization.kept_layers):
        return plain
    return quantization.bytes_of(part, plain)


def _padding(tensor: Tensor, each: float, loading: Loading, era: Era) -> float:
    """How much longer the kernels' layout makes a row than its weights."""
    if tensor.part is Part.EXPERTS and loading.expert_padding != 1:
        return loading.expert_padding
    if not era.rocm or era.release < (0, 7) or not tensor.row:
        return 1.0
    row = round(tensor.row * each)
    pads = each >= 1 if tensor.part is Part.EXPERTS else tensor.part is not None and 1 < each < 2  # fp8 in blocks
    return (row + _ROW_PADDING) / row if pads and row and row % _ROW_STEP == 0 else 1.0


def holes_bytes(architecture: Architecture, stage: Stage, settings: Settings, era: Era) -> int:
    """Holes that padding the experts after loading leaves in PyTorch's pool.

    Both matrices of a layer are padded into new tensors, one after the other. The second, smaller one is put where
    the first had been, and the rest of that block can neither be used by a later layer nor given back. Of
    Qwen3-30B-A3B on MI300X they are 15 of the 23 GiB that weights and peaks do not explain in 0.28; of older versions
    on ROCm nobody has measured them, and they are left out.
    """
    if era.generation is Generation.V0 or architecture.experts is None or (era.rocm and not era.counts_freed):
        return 0
    return _holes_bytes(architecture, stage, Loading.of(settings), era)


@lru_cache(maxsize=4096)
def _holes_bytes(architecture: Architecture, stage: Stage, loading: Loading, era: Era) -> int:
    lost = 0
    for layer, count in distinct_layers(architecture, stage.layers):
        pairs = [
            (tensor.elements * each, tensor.elements * each * _padding(tensor, each, loading, era))
            for tensor in layer_tensors(architecture, layer, loading.tensor_parallel)
            if tensor.part is Part.EXPERTS
            for each in (_bytes_each(architecture, Part.EXPERTS, layer, loading),)
        ]
        if len(pairs) == 2 and pairs[1][1] > pairs[1][0]:
            lost += count * max(0, round(pairs[0][0] - pairs[1][1]))
    return lost


def _absorbed_latent(architecture: Architecture, layer: int, loading: Loading, era: Era) -> int:
    """The up-projection a second time, in 16 bit and transposed, for the absorbed attention.

    On DeepSeek-V2-Lite it is, with the fp32 rope table, the 0.13 GiB that vLLM 0.19 prints beyond the parameters.
    """
    latent = architecture.latent
    if latent is None or era.latent_in_full or architecture.spans[layer] is Span.RECURRENT:
        return 0
    heads = -(-architecture.heads // loading.tensor_parallel)
    return 2 * heads * (latent.nope_dim + latent.value_dim) * latent.kv_rank


def _outside_layers(architecture: Architecture, stage: Stage, loading: Loading) -> tuple[list[int], int]:
    """Bytes of the vocabulary tables on one rank, and of all that is neither in them nor in a layer."""
    tp, plain, hidden = loading.tensor_parallel, loading.weight_bytes, architecture.hidden
    padded = -(-architecture.vocab // VOCABULARY_STEP) * VOCABULARY_STEP
    table = -(-padded // tp) * hidden
    tables, others = [], 0
    if stage.first or (stage.last and architecture.ties_embeddings and architecture.has_head):
        tables.append(table * plain)
    if stage.first and not loading.language_only:
        more = outside(architecture) - hidden + max(-hidden, architecture.extra_parameters)
        others += -(-more // tp) * plain
    if stage.last:
        others += hidden * plain
        if architecture.has_head and not architecture.ties_embeddings:
            tables.append(round(table * _bytes_each(architecture, Part.HEAD, -1, loading)))
    return tables, others
