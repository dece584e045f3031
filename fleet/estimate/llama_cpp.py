"""llama.cpp: layers over GPUs, the cache at its context size, compute buffers. It has no budget and no check."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from fleet.architecture.architecture import Architecture, GgufBytes
from fleet.estimate import Estimate, GpuShare, Outcome, Reason, Refusal
from fleet.estimate.measured import COMPUTE_BUFFER_EXCESS, CONTEXT_FACTOR, End
from fleet.hardware import Accelerator
from fleet.model import Arguments, Model

_CELL_STEP = 256
"""The cache's length is padded to this (llama-kv-cache.cpp)."""
_BATCH = 512
"""Default of ``--ubatch-size``: tokens of one graph."""
_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32,
          "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32}  # fmt: skip
"""Bytes of one cached element by type (ggml block sizes)."""


def estimate(
    model: Model, architecture: Architecture, accelerator: Accelerator, totals: Sequence[int], end: End
) -> Estimate:
    """What each GPU holds: its layers' weights and cache, a compute buffer, a runtime context.

    The token embedding stays in host memory. All slots share the cache (``--kv-unified``, the server's default),
    so its length is the context size whatever the number of slots.
    """
    gguf = architecture.gguf
    assert gguf is not None, "only called for a model whose file is known layer by layer"
    args = model.args
    length = args.integer("ctx-size", 0) or architecture.max_positions
    cells = -(-length // _CELL_STEP) * _CELL_STEP
    context = round(accelerator.context_bytes * CONTEXT_FACTOR.at(end))
    shares = []
    for held in placed_layers(args, gguf, totals):
        weights = sum(_weights(gguf, layer) for layer in held)
        cached = sum(layer < architecture.layers for layer in held)
        has_head = architecture.layers in held
        compute = _compute_bytes(architecture, args, has_head) + COMPUTE_BUFFER_EXCESS.bytes_at(end)
        cache = cached * cells * _cell_bytes(architecture, args)
        total = weights + cache + compute + context
        shares.append(GpuShare(weights, cache, compute, 0, context, total, total) if held else _NOTHING)
    short = any(share.total_bytes > total for share, total in zip(shares, totals, strict=True))
    return Estimate(
        model=model.name,
        shares=tuple(shares),
        outcome=Outcome.OOM if short else Outcome.STARTED,
        refusal=Refusal(Reason.OUT_OF_MEMORY, "failed to allocate buffer") if short else None,
        kv_cache_tokens=cells,
        max_model_len=length,
        max_concurrency=cells / length,
        longest_length=architecture.max_positions,
        basis="catalogue",
    )


_NOTHING = GpuShare(0, 0, 0, 0, 0, 0, 0)


def placed_layers(args: Arguments, gguf: GgufBytes, totals: Sequence[int]) -> tuple[range, ...]:
    """The layers of each GPU, the output head counting as one more after the last (llama-model.cpp).

    ``--tensor-split`` gives the proportions, else free memory does; a layer goes to the first GPU whose cumulated
    share exceeds the layer's position. ``--split-mode none`` puts everything on the first GPU.
    """
    count = len(gguf.layer_bytes) + 1
    if args.text("split-mode", "layer") == "none" or len(totals) == 1:
        return (range(count), *(range(0),) * (len(totals) - 1))
    proportions = [float(part) for part in args.text("tensor-split", "").split(",") if part.strip()] or list(totals)
    proportions = (proportions + [0.0] * len(totals))[: len(totals)]
    whole = sum(proportions)
    bounds = [share / whole for share in accumulate(proportions)]
    owners = [min(bisect_right(bounds, layer / count), len(totals) - 1) for layer in range(count)]
    return tuple(range(bisect_right(owners, gpu - 1), bisect_right(owners, gpu)) for gpu in range(len(totals)))


def _weights(gguf: GgufBytes, layer: int) -> int:
    return gguf.layer_bytes[layer] if layer < len(gguf.layer_bytes) else gguf.output_bytes


def _cell_bytes(architecture: Architecture, args: Arguments) -> int:
    """Bytes of one cache cell in one layer. A latent is kept once: its values are a view of its keys."""
    key = _BYTES.get(args.text("cache-type-k", "f16"), 2.0)
    if architecture.latent:
        return round(architecture.latent.cached_width * key)
    value = _BYTES.get(args.text("cache-type-v", "f16"), 2.0)
    return round(architecture.kv_heads * architecture.head_dim * (key + value))


def _compute_bytes(architecture: Architecture, args: Arguments, has_head: bool) -> int:
    """Scratch of one graph in 32 bit: the logits where the head is, else the widest layer's states."""
    batch = args.integer("ubatch-size", _BATCH)
    width = architecture.vocab if has_head else 4 * architecture.hidden + 2 * architecture.intermediate
    return 4 * batch * width
