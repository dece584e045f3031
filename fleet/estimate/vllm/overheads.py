"""Which measured constant holds for a version, a platform and a way to run: loading, non-torch memory, graphs."""

from __future__ import annotations

from fleet.architecture.architecture import Architecture
from fleet.estimate import measured
from fleet.estimate.measured import End, Spread
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.versions import Era, Generation


def loading_bytes(era: Era, end: End) -> int:
    """What the engine counts as weights beyond the tensors."""
    return measured.ROCM_LOADING.bytes_at(end) if era.loading_by_driver else 0


def non_torch_bytes(era: Era, settings: Settings, switched: bool, end: End) -> int:
    """Memory outside PyTorch's allocator that the engine charges to its budget."""
    return _non_torch(era, settings.tensor_parallel > 1, switched).bytes_at(end)


def _non_torch(era: Era, parallel: bool, switched: bool) -> Spread:
    if era.generation is Generation.V0:
        if era.rocm and not parallel:
            return measured.NON_TORCH_V0_ROCM if era.release >= (0, 7) else measured.NON_TORCH_V0_ROCM_EARLY
        if era.rocm:
            return measured.NON_TORCH_V0_ROCM_PARALLEL
        if era.release < (0, 6, 4):
            return measured.NON_TORCH_V0_CUDA_RESERVED
        return measured.NON_TORCH_V0_CUDA_PARALLEL if parallel else measured.NON_TORCH_V0_CUDA
    if era.rocm:
        return measured.NON_TORCH_V1_ROCM_PARALLEL if parallel else measured.NON_TORCH_V1_ROCM
    if era.release < (0, 18) or (parallel and not switched):
        return measured.NON_TORCH_V1_CUDA_PARALLEL_EARLY if parallel else measured.NON_TORCH_V1_CUDA_EARLY
    return measured.NON_TORCH_V1_CUDA_PARALLEL if parallel else measured.NON_TORCH_V1_CUDA


def restart_bytes(era: Era, end: End) -> int:
    """How far a start may be off one that was measured, nothing having changed."""
    if not era.rocm:
        return measured.RESTART_CUDA.bytes_at(end)
    return (measured.RESTART_V0_ROCM if era.generation is Generation.V0 else measured.RESTART_V1_ROCM).bytes_at(end)


def graphs_bytes(era: Era, architecture: Architecture, settings: Settings, layers: int, end: End) -> int:
    """Captured graphs of one rank with that many layers; none where execution is eager."""
    if settings.eager:
        return 0
    if era.generation is Generation.V0:
        per_layer = measured.GRAPHS_PER_LAYER_V0_ROCM if era.rocm else measured.GRAPHS_PER_LAYER_V0_CUDA
        return per_layer.bytes_at(end, layers)
    if era.release < (0, 11):
        return measured.GRAPHS_PER_LAYER_V1_EARLY.bytes_at(end, layers)
    if era.rocm:
        spread = measured.GRAPHS_V1_ROCM
    else:
        spread = measured.GRAPHS_V1_CUDA_MIXED if architecture.experts else measured.GRAPHS_V1_CUDA
    return round(spread.bytes_at(end) * _captured_share(settings.sequences))


_SIZES: tuple[int, ...] = (1, 2, 4, *range(8, 256, 8), *range(256, 513, 16))
"""Batch sizes graphs are captured for, as far as twice the sequences go (config/compilation.py)."""
_FIRST = 0.15
"""What the first graph is of all 51; 0.11 GiB for a batch of four where a full one takes 0.7."""


def _captured_share(sequences: int) -> float:
    """Of the graphs of a full batch, those of a batch of so many: the first graph takes most, others a little each."""
    sizes = sum(size <= 2 * sequences for size in _SIZES)
    return _FIRST + (1 - _FIRST) * sizes / len(_SIZES)


def activation_excess_bytes(architecture: Architecture, settings: Settings, end: End) -> int:
    """What the closed forms of the activation peak leave out."""
    vision = measured.VISION_EXCESS.bytes_at(end) if architecture.vision and not settings.language_only else 0
    return measured.ACTIVATION_EXCESS.bytes_at(end) + vision
