"""Short facts about a model, as people note them down, in the field names Hugging Face's ``config.json`` uses.

A catalogue entry may say ``moe: {num_experts, top_k}``, ``mla: {...}`` or ``layer_pattern: {counts: {...}}`` instead
of the fields of its type; here they become those fields. Fields of other libraries' configs get their usual names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fleet.architecture.defaults import with_defaults
from fleet.architecture.families import model_type_of

Config = Mapping[str, Any]

_OTHER_NAMES = {
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers", "decoder_layers"),
    "hidden_size": ("n_embd", "d_model", "model_dim"),
    "num_attention_heads": ("n_head", "n_heads", "decoder_attention_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv", "multi_query_group_num", "kv_n_heads"),
    "intermediate_size": ("n_inner", "ffn_hidden_size", "ffn_dim", "decoder_ffn_dim"),
    "max_position_embeddings": ("n_positions", "max_seq_len", "seq_length", "max_target_positions", "n_ctx"),
    "vocab_size": ("padded_vocab_size",),
    "num_experts": ("moe_num_experts",),
    "num_experts_per_tok": ("moe_top_k",),
    "head_dim": ("kv_channels", "attention_head_dim"),
}
_EXPERTS = {
    "num_experts": "num_experts",
    "top_k": "num_experts_per_tok",
    "moe_intermediate_size": "moe_intermediate_size",
    "shared_expert_intermediate_size": "shared_expert_intermediate_size",
    "shared_experts": "n_shared_experts",
    "first_k_dense_replace": "first_k_dense_replace",
    "intermediate_size_mlp": "intermediate_size_mlp",
}
_SAME_AS = {"mllama_text_model": "mllama", "qwen2_5_vl_text": "qwen2_5_vl", "qwen2_vl_text": "qwen2_vl"}
_MOST_LAYERS = 4096
_SPANS = {
    "full": "full_attention",
    "attention": "full_attention",
    "self_attention": "full_attention",
    "mla_full": "full_attention",
    "sliding": "sliding_attention",
    "mamba": "linear_attention",
    "kda_linear": "linear_attention",
}


def normalised(name: str, entry: Config) -> dict[str, Any]:
    """The entry with Hugging Face's field names; a nested ``text_config`` lies over the fields around it."""
    text = {**entry, **{key: value for key, value in (entry.get("text_config") or {}).items() if value is not None}}
    text["model_type"] = _model_type(name, text)
    if text["model_type"] == "whisper" and text.get("decoder_layers"):
        text["num_hidden_layers"] = text["decoder_layers"]
    for key, field in _EXPERTS.items():
        value = (text.get("moe") or {}).get(key)
        if value is not None:
            text[field] = value
    for group in ("mla", "linear_attention", "linear_attn_config", "attn_config", "ffn_config"):
        facts = text.get(group)
        if isinstance(facts, Mapping):
            text = {**{_inner(group, key): value for key, value in facts.items()}, **_given(text)}
    for field, others in _OTHER_NAMES.items():
        if text.get(field) is None:
            text[field] = next((text[other] for other in others if text.get(other) is not None), None)
    if not text.get("layer_types") and isinstance(text.get("layer_pattern"), Mapping):
        text["layer_types"] = _spread(text["layer_pattern"].get("counts") or {})
    if isinstance(text.get("audio"), Mapping):
        text["audio_config"] = text["audio"]
    if isinstance(text.get("vision"), Mapping):
        text["vision_config"] = text["vision"]
    return with_defaults(text) if "text_config" in entry else text


def _given(text: Config) -> dict[str, Any]:
    return {key: value for key, value in text.items() if value is not None}


def _inner(group: str, key: str) -> str:
    """Names inside a group that mean something else outside it."""
    if group in ("linear_attention", "linear_attn_config") and key in ("head_dim", "num_heads"):
        return f"linear_{key}"
    return key


def _model_type(name: str, text: Config) -> str:
    said = re.match(r"[\w-]+", str(text.get("model_type") or ""))
    architectures = text.get("architectures")
    if said:
        return _SAME_AS.get(said[0], said[0])
    return model_type_of(str(architectures[0]) if isinstance(architectures, list) and architectures else name)


def _spread(counts: Mapping[str, int]) -> list[str]:
    """Layer kinds in an order that spreads the rarer one evenly, which is how hybrids are built."""
    named = {_SPANS.get(kind.partition("(")[0], kind.partition("(")[0]): int(n) for kind, n in counts.items()}
    if len(named) != 2 or set(named) & {"encoder", "decoder"}:
        return []
    (common, many), (rare, few) = sorted(named.items(), key=lambda item: -item[1])
    total = many + few
    if not 0 < total <= _MOST_LAYERS:
        return []
    return [rare if (layer + 1) * few // total > layer * few // total else common for layer in range(total)]
