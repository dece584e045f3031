"""Which GPU holds which layers of a file, and what they weigh. The output head counts as one more after the last."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from fleet.architecture.architecture import Architecture
from fleet.architecture.stored import GgufBytes
from fleet.estimate.checkpoint import head_bytes, layer_bytes, outside_bytes, table_bytes
from fleet.estimate.llama_cpp.options import Options

Placed = tuple[range, ...]
"""The layers of each GPU; what is in none of the ranges stays in host memory."""


@lru_cache(maxsize=256)
def file_bytes(architecture: Architecture) -> GgufBytes:
    """The bytes of the file's layers as its header tells them, else reckoned from the architecture.

    Vision towers are in a file of their own. Tied tables are stored once and loaded twice.
    """
    if architecture.gguf:
        return architecture.gguf
    layers = tuple(layer_bytes(architecture, layer).total for layer in range(architecture.layers))
    per_weight = architecture.quantization.bytes_per_weight if architecture.quantization else 2.0
    output = head_bytes(architecture, plain=per_weight)
    return GgufBytes(table_bytes(architecture, plain=per_weight), layers, output)


def projector_bytes(architecture: Architecture, options: Options) -> int:
    """Bytes of the vision tower on the main GPU, where it is loaded."""
    return outside_bytes(architecture) if options.projector and architecture.vision else 0


def placed_layers(options: Options, layers: int, free: Sequence[int]) -> Placed:
    """The layers of each GPU, the last ``--n-gpu-layers`` of them (llama-model.cpp, ``load_tensors``).

    ``--tensor-split`` gives the proportions, else free memory does; a layer goes to the first GPU whose cumulated
    share exceeds the layer's position. ``--split-mode none`` puts everything on the main GPU.
    """
    count = layers + 1
    held = min(options.gpu_layers, count)
    start = count - held
    if options.split_mode == "none" or len(free) == 1 or not held:
        main = options.main_gpu if options.split_mode == "none" else 0
        return tuple(range(start, count) if gpu == main else range(0) for gpu in range(len(free)))
    bounds = cumulated_shares(options, free)
    owners = [min(bisect_right(bounds, place / held), len(free) - 1) for place in range(held)]
    return tuple(
        range(start + bisect_right(owners, gpu - 1), start + bisect_right(owners, gpu)) for gpu in range(len(free))
    )


def cumulated_shares(options: Options, free: Sequence[int]) -> list[float]:
    """Where each GPU's share of the model ends, 0 to 1."""
    proportions = [max(0.0, part) for part in options.proportions or free]
    proportions = (proportions + [0.0] * len(free))[: len(free)]
    whole = sum(proportions) or 1.0
    return [share / whole for share in accumulate(proportions)]
