"""The peak of the profile run: one full batch through the model, the sampler, and the vision tower."""

from __future__ import annotations

from fleet.architecture.architecture import Architecture, VisionTower
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.versions import Era, Generation, Sampler, sampler, uses_second_runner
from fleet.units import MiB

_LIBRARY_WORKSPACE = 32 * MiB
"""cuBLAS and hipBLASLt keep this from the first matrix product on."""
_BYTES = 2


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
    sampling = _sampling(architecture, settings, era, compute_units)
    within = 0 if era.separate_expert_workspace else workspace
    text = max(forward + within, sampling) + workspace - within
    if architecture.vision is None:
        return text + _LIBRARY_WORKSPACE
    images = _images(architecture.vision, settings, era)
    kept = _BYTES * images * (3 * architecture.vision.image_size**2 + architecture.vision.tokens_per_image * hidden)
    return max(text, _tower(architecture.vision, images)) + kept + _LIBRARY_WORKSPACE


def request_state_bytes(architecture: Architecture, settings: Settings, era: Era) -> int:
    """The V2 runner's penalty counts and masks, a row of the vocabulary for each sequence."""
    if not (era.counts_request_state and uses_second_runner(era, architecture)):
        return 0
    cells = settings.sequences * architecture.vocab
    return 4 * cells + cells // 8


def _forward(architecture: Architecture, settings: Settings) -> int:
    """Residual, hidden, normed and attended states, and the MLP's up and down halves, all 16 bit."""
    experts = architecture.experts
    width = architecture.intermediate
    if experts:
        width = max(width if experts.first_dense or experts.step > 1 else 0, experts.shared_intermediate)
    halves = 3 if architecture.gated_mlp else 2
    per_token = 4 * architecture.hidden + halves * -(-width // settings.tensor_parallel)
    return _BYTES * settings.batched_tokens * per_token


def _sampling(architecture: Architecture, settings: Settings, era: Era, compute_units: int) -> int:
    """Logits over the whole vocabulary for every sequence, and what the sampler makes of them."""
    rows, vocab, hidden = settings.sequences, architecture.vocab, architecture.hidden
    kept = _BYTES * settings.batched_tokens * hidden
    buffers = 4 * min(compute_units, rows) * vocab
    match sampler(era, architecture):
        case Sampler.SORT:
            return round(38.4 * rows * vocab) + kept
        case Sampler.TRITON:
            return 14 * rows * vocab + buffers + kept + 4 * rows * hidden
        case Sampler.LOGITS:
            return 2 * rows * vocab + kept + 2 * rows * hidden
        case Sampler.WARMED:
            return 6 * rows * vocab + buffers + kept + 2 * rows * hidden


def _expert_workspace(architecture: Architecture, settings: Settings) -> int:
    """The fused experts' two scratch buffers, a row for every token and expert it is sent to."""
    experts = architecture.experts
    if experts is None:
        return 0
    width = -(-experts.intermediate // settings.tensor_parallel)
    rows = settings.batched_tokens * experts.per_token
    return _BYTES * rows * (max(width, architecture.hidden) + max(2 * width, architecture.hidden))


def _images(vision: VisionTower, settings: Settings, era: Era) -> int:
    """Images of the profile batch: as many as its tokens hold, in V0 also no more than sequences."""
    fitting = max(1, settings.batched_tokens // vision.tokens_per_image)
    return min(fitting, settings.sequences) if era.generation is Generation.V0 else fitting


def _tower(vision: VisionTower, images: int) -> int:
    """The widest layer of the tower over all images at once: its states and its MLP's halves."""
    return _BYTES * images * vision.patches * (4 * vision.hidden + 2 * vision.intermediate)
