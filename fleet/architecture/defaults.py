"""Fields a ``config.json`` may leave out: the defaults of each type's configuration class in transformers.

Configs nested in those of multimodal models in particular say only where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LLAMA = {
    "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "intermediate_size": 11008,
    "vocab_size": 32000, "max_position_embeddings": 2048,
}  # fmt: skip
_MISTRAL = {
    **_LLAMA, "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 131072,
}  # fmt: skip
_QWEN2 = {
    "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 32,
    "intermediate_size": 22016, "vocab_size": 151936, "max_position_embeddings": 32768,
}  # fmt: skip
_GEMMA = {"vocab_size": 256000, "head_dim": 256, "max_position_embeddings": 8192}
_GEMMA3 = {
    "num_hidden_layers": 26, "hidden_size": 2304, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "intermediate_size": 9216, "vocab_size": 262208, "max_position_embeddings": 131072, "sliding_window": 4096,
}  # fmt: skip

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "llama": _LLAMA,
    "mistral": _MISTRAL,
    "mixtral": {**_MISTRAL, "num_local_experts": 8, "num_experts_per_tok": 2},
    "qwen2": _QWEN2,
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen3": {**_QWEN2, "head_dim": 128},
    "gemma": {**_GEMMA, "num_hidden_layers": 28, "hidden_size": 3072, "num_attention_heads": 16},
    "gemma2": {
        **_GEMMA, "num_hidden_layers": 26, "hidden_size": 2304, "num_attention_heads": 8, "sliding_window": 4096,
    },
    "gemma3": _GEMMA3,
    "gemma3_text": _GEMMA3,
    "phi3": {**_LLAMA, "hidden_size": 3072, "intermediate_size": 8192, "vocab_size": 32064},
    "llama4_text": {
        "num_hidden_layers": 48, "hidden_size": 5120, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "vocab_size": 202048,
        "max_position_embeddings": 131072, "num_local_experts": 16, "attention_chunk_size": 8192,
    },
}  # fmt: skip


def with_defaults(text: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those filled in that their type has defaults for; one that is null has been said."""
    defaults = DEFAULTS.get(str(text.get("model_type")), {})
    missing = {
        field: value
        for field, value in defaults.items()
        if text.get(field) is None and not (field in _NULLABLE and field in text)
    }
    return {**text, **missing}


_NULLABLE = frozenset({"sliding_window", "attention_chunk_size"})
"""Fields whose null means none."""
