"""Reading Hugging Face's ``config.json``: its fields, as a mapping, become an `Architecture`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.architecture.architecture import (
    Architecture,
    Experts,
    GgufBytes,
    LatentAttention,
    Quantization,
    Span,
    VisionTower,
)
from fleet.errors import UsageError

Config = Mapping[str, Any]

# What a model type means without saying it in its config.json (transformers, modeling_*.py of each).
_QKV_BIAS = frozenset({"qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl"})
_QK_NORM = frozenset({"qwen3", "qwen3_moe", "gemma3", "gemma3_text"})
_FOUR_NORMS = frozenset({"gemma2", "gemma3", "gemma3_text"})
_PLAIN_MLP = frozenset({"phi", "opt", "gpt2", "gpt_bigcode", "starcoder2", "falcon"})
_TIED = frozenset({"gemma", "gemma2", "gemma3", "gemma3_text"})
_LOCAL_ROPE = frozenset({"gemma3", "gemma3_text"})
_SPANS = {"full_attention": Span.FULL, "sliding_attention": Span.SLIDING}


def from_config(name: str, config: Config) -> Architecture:
    """The architecture a ``config.json`` describes; a nested ``text_config`` is the language model.

    Raises UsageError, naming the field, where one that decides memory is missing or of a kind not known.
    """
    text: Config = {**config, **(config.get("text_config") or {})}
    model_type = str(text.get("model_type") or "")
    layers, hidden, heads = (
        _count(name, text, field) for field in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    head_dim = int(text.get("head_dim") or hidden // heads)
    max_positions = _count(name, text, "max_position_embeddings")
    spans = _spans(name, text, layers)
    latent = _latent(text)
    return Architecture(
        name=name,
        model_type=model_type,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=int(text.get("num_key_value_heads") or heads),
        head_dim=head_dim,
        intermediate=int(text.get("intermediate_size") or 4 * hidden),
        vocab=_count(name, text, "vocab_size"),
        max_positions=max_positions,
        spans=spans,
        sliding_window=int(text["sliding_window"]) if Span.SLIDING in spans else None,
        ties_embeddings=bool(text.get("tie_word_embeddings", model_type in _TIED)),
        gated_mlp=model_type not in _PLAIN_MLP,
        qkv_bias=bool(text.get("attention_bias", model_type in _QKV_BIAS)),
        qk_norm=model_type in _QK_NORM,
        norms_per_layer=4 if model_type in _FOUR_NORMS else 2,
        rotary_dim=latent.rope_dim if latent else round(head_dim * text.get("partial_rotary_factor", 1.0)),
        rope_positions=round(max_positions * _linear_scaling(text)),
        local_rope=model_type in _LOCAL_ROPE,
        experts=_experts(text),
        latent=latent,
        quantization=_quantization(config.get("quantization_config") or text.get("quantization_config")),
        vision=_vision(config),
        dtype=str(text.get("torch_dtype") or text.get("dtype") or "bfloat16"),
        gguf=_gguf(config.get("gguf")),
    )


def _count(name: str, config: Config, field: str) -> int:
    value = config.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise UsageError(f"The config of {name} has no usable {field}: {value!r}.")
    return value


def _spans(name: str, text: Config, layers: int) -> tuple[Span, ...]:
    """One span per layer, from ``layer_types`` or from the older ways of saying the same."""
    listed = text.get("layer_types")
    if listed:
        unknown = sorted(set(listed) - _SPANS.keys())
        if unknown or len(listed) != layers:
            raise UsageError(
                f"The config of {name} has {len(listed)} layer_types for {layers} layers"
                + (f", with {', '.join(unknown)}, which has no estimate yet." if unknown else ".")
            )
        return tuple(_SPANS[kind] for kind in listed)
    if not text.get("sliding_window") or text.get("use_sliding_window") is False:
        return (Span.FULL,) * layers
    period = text.get("sliding_window_pattern")
    if period:
        return tuple(Span.SLIDING if (layer + 1) % period else Span.FULL for layer in range(layers))
    return (Span.SLIDING,) * layers


def _linear_scaling(text: Config) -> float:
    """The factor by which linear rope scaling lengthens the table of cosines; other kinds keep its length."""
    scaling = text.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type")
    return float(scaling.get("factor", 1.0)) if kind == "linear" else 1.0


def _experts(text: Config) -> Experts | None:
    count = text.get("num_experts") or text.get("num_local_experts") or text.get("n_routed_experts")
    if not count:
        return None
    width = int(text.get("moe_intermediate_size") or text["intermediate_size"])
    shared = int(text.get("shared_expert_intermediate_size") or (text.get("n_shared_experts") or 0) * width)
    return Experts(
        count=int(count),
        per_token=int(text.get("num_experts_per_tok") or 1),
        intermediate=width,
        shared_intermediate=shared,
        shared_gate="shared_expert_intermediate_size" in text,
        first_dense=int(text.get("first_k_dense_replace") or 0),
        step=int(text.get("decoder_sparse_step") or text.get("moe_layer_freq") or 1),
    )


def _latent(text: Config) -> LatentAttention | None:
    if not text.get("kv_lora_rank"):
        return None
    return LatentAttention(
        kv_rank=int(text["kv_lora_rank"]),
        query_rank=int(text["q_lora_rank"]) if text.get("q_lora_rank") else None,
        rope_dim=int(text["qk_rope_head_dim"]),
        nope_dim=int(text["qk_nope_head_dim"]),
        value_dim=int(text["v_head_dim"]),
    )


def _quantization(config: Config | None) -> Quantization | None:
    """Bytes a linear weight takes under the methods whose layout is public (fp8, AWQ, GPTQ, compressed-tensors)."""
    if not config:
        return None
    method = str(config.get("quant_method") or "")
    if method == "fp8":
        return Quantization(method, 1.0)
    if method == "mxfp4":
        return Quantization(method, 0.5 + 1 / 32, experts_only=True)
    if method in ("awq", "gptq"):
        bits, group = int(config.get("bits", 4)), int(config.get("group_size", 128))
        return Quantization(method, bits / 8 + (2.0 + bits / 8) / group)
    if method == "compressed-tensors":
        groups: list[Config] = list(config.get("config_groups", {}).values())
        weights: Config = groups[0].get("weights") or {} if groups else {}
        scales = 2.0 / int(weights["group_size"]) if weights.get("group_size") else 0.0
        cache = "fp8" if config.get("kv_cache_scheme") else None
        return Quantization(method, int(weights.get("num_bits", 8)) / 8 + scales, kv_cache_dtype=cache)
    raise UsageError(f"quantization method {method!r} has no estimate yet.")


def _vision(config: Config) -> VisionTower | None:
    vision = config.get("vision_config")
    if not vision:
        return None
    image, patch = int(vision["image_size"]), int(vision["patch_size"])
    return VisionTower(
        layers=int(vision["num_hidden_layers"]),
        hidden=int(vision["hidden_size"]),
        intermediate=int(vision["intermediate_size"]),
        image_size=image,
        patch_size=patch,
        tokens_per_image=int(config.get("mm_tokens_per_image") or (image // patch) ** 2),
    )


def _gguf(facts: Config | None) -> GgufBytes | None:
    """From the catalogue's own key: bytes of one dense and one expert layer, and how many there are of each."""
    if not facts:
        return None
    dense = (int(facts["dense_layer_bytes"]),) * int(facts["dense_layers"])
    experts = (int(facts["expert_layer_bytes"]),) * int(facts["expert_layers"])
    return GgufBytes(int(facts["input_bytes"]), dense + experts, int(facts["output_bytes"]))
