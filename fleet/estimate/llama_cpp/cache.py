"""llama.cpp's cache: cells for every layer, fewer for sliding ones, a state for recurrent ones."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.architecture.architecture import Architecture, Span
from fleet.estimate.kept import state_bytes, token_bytes
from fleet.estimate.llama_cpp.options import Options

_STEP = 256
"""Lengths are padded to a multiple of this (llama-kv-cache.cpp, llama-kv-cache-iswa.cpp)."""
_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32,
          "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32}  # fmt: skip
"""Bytes of one cached element by type (ggml block sizes)."""
_HALF = 2.0


@dataclass(frozen=True, slots=True)
class Cells:
    """How long the cache is: ``count`` cells in each of ``streams`` parts."""

    count: int
    streams: int

    @property
    def tokens(self) -> int:
        """Of all parts."""
        return self.count * self.streams


def cells(options: Options, context: int) -> Cells:
    """The cells of a layer that looks back on everything: one part for all slots, or an equal part for each."""
    if options.unified:
        return Cells(_padded(context), 1)
    return Cells(_padded(context // options.slots), options.slots)


def window_cells(options: Options, context: int, window: int) -> Cells:
    """The cells of a sliding layer: the windows of the slots that share a part, and one batch."""
    whole = cells(options, context)
    if options.full_windows:
        return whole
    windows = window * (options.slots if options.unified else 1)
    return Cells(_padded(min(whole.count, windows + options.batch)), whole.streams)


def layer_cache_bytes(architecture: Architecture, layer: int, options: Options, context: int) -> int:
    """Bytes a layer (from 0) keeps at that context."""
    if architecture.spans[layer] is Span.RECURRENT:
        return options.slots * state_bytes(architecture, (layer,))
    per_cell = token_bytes(architecture, layer, element_bytes(options.key_type), element_bytes(options.value_type))
    return round(per_cell * _cells_of(architecture, layer, options, context).tokens)


def element_bytes(kind: str) -> float:
    """Bytes of one cached element; of 16 bits for a type not known."""
    return _BYTES.get(kind, _HALF)


def latent_cache_bytes(architecture: Architecture, options: Options, context: int) -> tuple[int, int] | None:
    """Bytes of the cache of a latent-attention model kept as latents, and kept as full heads; None for any other.

    A file converted before llama.cpp knew latent attention lacks the tensors for it, and every head's key and value
    is kept instead: for DeepSeek-R1 40,960 elements a token and layer where the latent has 576.
    """
    latent = architecture.latent
    kept = [layer for layer, span in enumerate(architecture.spans) if span is Span.FULL]
    if latent is None or not kept:
        return None
    key, value = element_bytes(options.key_type), element_bytes(options.value_type)
    width = architecture.heads * ((latent.nope_dim + latent.rope_dim) * key + latent.value_dim * value)
    tokens = cells(options, context).tokens
    return round(len(kept) * latent.cached_width * key * tokens), round(len(kept) * width * tokens)


def _cells_of(architecture: Architecture, layer: int, options: Options, context: int) -> Cells:
    """A model whose layers all slide is served as if they looked back on everything, as Mistral 7B is."""
    window, span = architecture.sliding_window, architecture.spans[layer]
    if window and span in (Span.SLIDING, Span.CHUNKED) and Span.FULL in architecture.spans:
        return window_cells(options, context, window)
    return cells(options, context)


def _padded(length: int) -> int:
    return -(-length // _STEP) * _STEP
