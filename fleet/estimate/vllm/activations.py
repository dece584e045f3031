"""The peak of the profile run: one full batch through the model, the sampler, and the towers."""

from __future__ import annotations

from functools import lru_cache

from fleet.architecture.architecture import Architecture
from fleet.architecture.towers import AudioTower, VisionTower
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.versions import Era, Generation, Sampler, sampler, uses_second_runner
from fleet.units import MiB

_LIBRARY_WORKSPACE = 32 * MiB
"""cuBLAS and hipBLASLt keep this from the first matrix product on."""
_BYTES = 2
_SORT_BYTES = 36.4
"""fp32 logits, a copy, sorted values, 64-bit indices, sums, masks and probabilities of one cell, beside the logits."""
_FLASHINFER_BYTES = 8
"""fp32 logits and probabilities; FlashInfer's kernels do not sort."""
_TRITON_BYTES, _WARMED_BYTES = 12, 4


@lru_cache(maxsize=8192)
def peak_bytes(
    architecture: Architecture, settings: Settings, era: Era, compute_units: int, *, has_head: bool = True
) -> int:
    """Bytes the profile run holds at its peak on one rank.

    The logits exist only after the forward pass's temporaries are freed, so the larger of the two counts. The
    closed forms agree with thirty H100 start-ups of vLLM 0.19 to 0.01 GiB for text models.
    """
    tokens, hidden = settings.batched_tokens, architecture.hidden
    workspace = _expert_workspace(architecture, settings)
    forward = _forward(architecture, settings)
    if not has_head:
        return forward + workspace + 2 * _BYTES * tokens * hidden + _LIBRARY_WORKSPACE
    sampling = sampling_bytes(architecture, settings, era, compute_units)
    within = 0 if era.separate_expert_workspace else workspace
    text = max(forward + within, sampling) + workspace - within
    tower, kept = _towers(architecture, settings, era)
    return max(text, tower) + kept + _LIBRARY_WORKSPACE


def request_state_bytes(architecture: Architecture, settings: Settings, era: Era) -> int:
    """The V2 runner's penalty counts and masks, a row of the vocabulary for each sequence."""
    if not (era.counts_freed and architecture.has_head and uses_second_runner(era, architecture)):
        return 0
    cells = settings.sequences * architecture.vocab
    return 4 * cells + cells // 8


def _forward(architecture: Architecture, settings: Settings) -> int:
    """The wider of a layer's two halves: residual, hidden, normed and attended states with either the MLP's up and
    down halves or queries, keys, values and what attention makes of them."""
    tp, hidden = settings.tensor_parallel, architecture.hidden
    states = 4 + 3 * (architecture.residual_streams - 1)  # each more stream: itself, its norm and its mixture
    mlp = states * hidden + (3 if architecture.gated_mlp else 2) * -(-_widest(architecture) // tp)
    queries = -(-architecture.heads // tp) * architecture.head_dim
    attention = 2 * hidden + 2 * queries + 2 * max(1, architecture.kv_heads // tp) * architecture.head_dim
    return settings.weight_bytes * settings.batched_tokens * max(mlp, 0 if architecture.latent else attention)


def _widest(architecture: Architecture) -> int:
    experts = architecture.experts
    if experts is None or experts.beside_mlp:
        return max(architecture.mlp_widths, default=architecture.intermediate)
    dense = experts.first_dense or experts.step > 1
    return max(architecture.intermediate if dense else 0, experts.shared_intermediate)


def sampling_bytes(architecture: Architecture, settings: Settings, era: Era, compute_units: int) -> int:
    """Logits over the whole vocabulary for every sequence, and what the sampler makes of them."""
    if not architecture.has_head:
        return 0
    rows, vocab, hidden = _rows(architecture, settings, era), architecture.vocab, architecture.hidden
    plain = settings.weight_bytes
    kept = plain * settings.batched_tokens * hidden
    cells, buffers = rows * vocab, 4 * min(compute_units, rows) * vocab
    match sampler(era, architecture):
        case Sampler.SORT:
            sorts = settings.sorts is not False or era.generation is Generation.V0
            return round(((_SORT_BYTES if sorts else _FLASHINFER_BYTES) + plain) * cells) + kept
        case Sampler.TRITON:
            return (_TRITON_BYTES + plain) * cells + buffers + kept + 2 * plain * rows * hidden
        case Sampler.LOGITS:
            return plain * cells + kept + plain * rows * hidden
        case Sampler.WARMED:
            return (_WARMED_BYTES + plain) * cells + buffers + kept + plain * rows * hidden


def _rows(architecture: Architecture, settings: Settings, era: Era) -> int:
    """Sequences of the profile batch. V0 takes no more than have room for an image or a clip each."""
    if era.generation is Generation.V1 or architecture.cross_attention:
        return settings.sequences
    largest = max(
        architecture.vision.tokens_per_image if architecture.vision and not architecture.vision.cross_attention else 0,
        architecture.audio.tokens_per_clip if architecture.audio else 0,
    )
    return min(settings.sequences, max(1, settings.batched_tokens // largest)) if largest else settings.sequences


def _expert_workspace(architecture: Architecture, settings: Settings) -> int:
    """The fused experts' two scratch buffers, a row for every token and expert it is sent to."""
    experts = architecture.experts
    if experts is None or settings.expert_padding != 1:  # MXFP4 kernels gather and scatter in place
        return 0
    width = -(-experts.intermediate // settings.tensor_parallel)
    rows = settings.batched_tokens * experts.per_token
    return settings.weight_bytes * rows * (max(width, architecture.hidden) + max(2 * width, architecture.hidden))


def _towers(architecture: Architecture, settings: Settings, era: Era) -> tuple[int, int]:
    """The peak of the towers alone, and what stays of them while the language model runs."""
    if settings.language_only or not settings.profiles_images:
        return 0, 0
    peak = kept = 0
    vision, audio = architecture.vision, architecture.audio
    if vision:
        tokens = min(vision.tokens_per_image, settings.max_model_len)
        images = _items(tokens, settings, era) * tokens / vision.tokens_per_image
        pixels = 3 * vision.patches * vision.patch_size**2
        kept += round(_BYTES * images * (pixels + vision.tokens_per_image * architecture.hidden))
        peak = _vision(vision, images)
    if audio:
        clips = settings.sequences if era.generation is Generation.V0 and not audio.tokens_per_clip else 0
        clips = clips or _items(audio.tokens_per_clip or audio.frames, settings, era)
        kept += _BYTES * clips * 2 * audio.frames * 128
        peak = max(peak, _audio(audio, clips))
    return peak, kept


def _items(tokens: int, settings: Settings, era: Era) -> int:
    """Images or clips of the profile batch: as many as its tokens hold, in V0 also no more than sequences."""
    fitting = max(1, settings.batched_tokens // max(1, tokens))
    return min(fitting, settings.sequences) if era.generation is Generation.V0 else fitting


def _vision(tower: VisionTower, images: float) -> int:
    """The widest layer of the tower over all images at once: its states and its MLP's halves."""
    halves = 3 if tower.gated else 2
    return round(_BYTES * images * tower.patches * (4 * tower.hidden + halves * tower.intermediate))


def _audio(tower: AudioTower, clips: int) -> int:
    return _BYTES * clips * tower.frames * (3 * tower.hidden + 2 * tower.intermediate)
