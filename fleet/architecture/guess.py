"""A shape for a model of which only the number of parameters is known: that of usual dense models of its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_USUAL: tuple[tuple[float, int, int, int, int, int, int], ...] = (
    # billions, layers, hidden, heads, KV heads, MLP, vocabulary
    (0.5, 24, 896, 14, 2, 4864, 151_936),
    (1.2, 16, 2048, 32, 8, 8192, 128_256),
    (3.2, 28, 3072, 24, 8, 8192, 128_256),
    (8.0, 32, 4096, 32, 8, 14_336, 128_256),
    (14.8, 48, 5120, 40, 8, 13_824, 152_064),
    (23.6, 40, 5120, 32, 8, 32_768, 131_072),
    (32.8, 64, 5120, 40, 8, 27_648, 152_064),
    (70.6, 80, 8192, 64, 8, 28_672, 128_256),
    (122.6, 88, 12_288, 96, 8, 28_672, 32_768),
    (405.9, 126, 16_384, 128, 8, 53_248, 128_256),
)
_POSITIONS = 32_768


def usual_shape(parameters: int) -> Mapping[str, Any]:
    """A ``config.json`` of the nearest usual shape, with ``total_params`` that settles the difference.

    Weights are exact; the cache and the peak are those of a model like it, which may be twice as large or half.
    """
    nearest = min(_USUAL, key=lambda row: max(row[0] * 1e9 / parameters, parameters / (row[0] * 1e9)))
    _, layers, hidden, heads, kv_heads, mlp, vocabulary = nearest
    return {
        "model_type": "llama",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": mlp,
        "vocab_size": vocabulary,
        "tie_word_embeddings": parameters < 4e9,
        "max_position_embeddings": _POSITIONS,
        "total_params": parameters,
        "shape_is_guessed": True,
    }
