"""What one layer keeps of a token or of a sequence, for the engines that keep it without pages of like size."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.architecture.architecture import Architecture, Recurrence, Span


def token_bytes(architecture: Architecture, layer: int, key: float, value: float, tp: int = 1) -> float:
    """Bytes a layer (from 0) keeps of one token on one of ``tp`` ranks; ``key``, ``value`` = bytes of an element.

    A latent is kept once, its values being a view of its keys, and by every rank; KV heads are split, and copied
    where there are more ranks than heads. Layers without a cache keep nothing.
    """
    span = architecture.spans[layer]
    if span not in (Span.FULL, Span.SLIDING, Span.CHUNKED):
        return 0.0
    compressed, latent = architecture.compressed, architecture.latent
    if compressed:
        ratio = compressed.ratios[layer] if layer < len(compressed.ratios) else 1
        return compressed.width * key / ratio if ratio else 0.0
    if latent and architecture.gguf and not architecture.gguf.latents:
        return architecture.heads * ((latent.nope_dim + latent.rope_dim) * key + latent.value_dim * value)
    if latent:
        return latent.cached_width * key
    heads = architecture.heads_of(span)
    return max(1, heads.count // tp) * (heads.key_dim * key + heads.value_dim * value)


def looks_back(architecture: Architecture, layer: int, length: int) -> int:
    """Tokens of a sequence of that length a layer's attention reads."""
    window = architecture.sliding_window
    if window and architecture.spans[layer] in (Span.SLIDING, Span.CHUNKED):
        return min(window, length)
    return length


def state_elements(architecture: Architecture) -> tuple[int, int]:
    """Elements one recurrent layer keeps of a sequence: of its short convolution, and of the state proper."""
    state = architecture.state
    if state is None:
        return 0, 0
    groups = 0 if state.kind is Recurrence.MAMBA1 else 2 * state.groups * state.state_dim
    return (state.kernel - 1) * (state.inner + groups), state.state_dim * state.inner


def state_bytes(architecture: Architecture, layers: Sequence[int], element: int = 4) -> int:
    """Bytes these layers keep of one sequence whatever its length."""
    recurrent = sum(architecture.spans[layer] is Span.RECURRENT for layer in layers)
    return recurrent * sum(state_elements(architecture)) * element
