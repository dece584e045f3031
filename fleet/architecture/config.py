"""Reading Hugging Face's ``config.json``: its fields, as a mapping, become an `Architecture`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from fleet.architecture import quantization
from fleet.architecture.architecture import Architecture, Experts, Heads, Quantization, Span
from fleet.architecture.facts import normalised
from fleet.architecture.families import Family, family
from fleet.architecture.guess import usual_shape
from fleet.architecture.layers import compressed, latent, spans, state
from fleet.architecture.parameters import LIKELY, parameters
from fleet.architecture.stored import GgufBytes
from fleet.architecture.towers import audio, vision
from fleet.errors import UsageError

Config = Mapping[str, Any]

_MOST = {
    "num_hidden_layers": 4096,
    "hidden_size": 1 << 24,
    "num_attention_heads": 1 << 16,
    "vocab_size": 1 << 28,
}
"""More than any model has: what a config claims must not decide how much we allocate."""
_GEMMA3_SCALING = 8.0
"""Linear rope scaling of the Gemma 3 models that take 131,072 tokens."""


def from_config(name: str, config: Config) -> Architecture:
    """The architecture a ``config.json`` describes; a nested ``text_config`` is the language model.

    ``total_params``, where the mapping has it, is the checkpoint's own count and settles what the fields leave open.

    A mapping with nothing else than that count gets the usual shape of its size.

    Raises UsageError, naming the field, where one that decides memory is missing or of a kind not known.
    """
    try:
        total = config.get("total_params")
        if type(total) is int and total > 0 and not normalised(name, config).get("num_hidden_layers"):
            config = {**usual_shape(total), **{key: value for key, value in config.items() if value is not None}}
        return _settled(_checked(_described(name, normalised(name, config))), config)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise UsageError(f"The config of {name} has a field of an unexpected kind: {error}.") from None


def _described(name: str, text: Config) -> Architecture:
    model_type, facts = str(text["model_type"]), family(str(text["model_type"]))
    layers, hidden, heads = (
        _count(name, text, field) for field in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    low_rank = latent(text)
    head_dim = int(text.get("head_dim") or hidden // heads)
    max_positions = int(text.get("max_position_embeddings") or 0) or 2048
    seen = spans(name, text, facts, layers)
    rotary = low_rank.rope_dim if low_rank else round(head_dim * float(text.get("partial_rotary_factor") or 1.0))
    window = text.get("sliding_window") if Span.SLIDING in seen else text.get("attention_chunk_size")
    widths = text.get("intermediate_size")
    return Architecture(
        name=name,
        model_type=model_type,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=_kv_heads(text, model_type, heads),
        head_dim=head_dim,
        intermediate=_intermediate(text, hidden),
        mlp_widths=tuple(map(int, widths)) if isinstance(widths, list) else (),
        vocab=_count(name, text, "vocab_size"),
        max_positions=max_positions,
        spans=seen,
        sliding_window=int(window) if window else None,
        full_heads=_full_heads(text),
        keys_are_values=bool(text.get("attention_k_eq_v")),
        ties_embeddings=_ties(text, facts),
        generates=not facts.encoder,
        has_head=not facts.encoder and not _embeds(name, text),
        cross_attention=model_type == "whisper",
        gated_mlp=not facts.plain_mlp,
        attention_gate=facts.attention_gate,
        qkv_bias=bool(text["attention_bias"]) if text.get("attention_bias") is not None else facts.qkv_bias,
        attention_bias=facts.attention_bias,
        mlp_bias=facts.mlp_bias,
        qk_norm=facts.qk_norm,
        residual_streams=int(text.get("hc_mult") or facts.residual_streams),
        norms_per_layer=facts.norms,
        norm_bias=facts.norm_bias,
        learned_positions=max_positions + facts.learned_positions if facts.learned_positions is not None else 0,
        rotary_dim=0 if facts.no_rope else rotary,
        rope_positions=0 if facts.no_rope else round(max_positions * _linear_scaling(text, model_type)),
        local_rope=facts.local_rope,
        per_layer_embedding=int(text.get("hidden_size_per_layer_input") or 0),
        experts=_experts(text, facts, model_type),
        latent=low_rank,
        compressed=compressed(text, layers),
        state=state(text, facts.state),
        quantization=_quantization(name, text, model_type),
        vision=vision(model_type, text),
        audio=audio(model_type, text),
        checkpoint_bytes=round(text["checkpoint_gb"] * 10**9) if text.get("checkpoint_gb") else None,
        dtype=str(text.get("torch_dtype") or text.get("dtype") or "bfloat16"),
        gguf=_gguf(text.get("gguf")),
    )


def _checked(described: Architecture) -> Architecture:
    """The same, where every number is one a model can have."""
    parts: list[Any] = [described]
    parts += [part for part in (described.experts, described.latent, described.state, described.vision) if part]
    parts += [part for part in (described.audio, described.compressed, described.full_heads) if part]
    for part in parts:
        for field in fields(part):
            value = getattr(part, field.name)
            if type(value) is int and not 0 <= value < 1 << 40:
                raise UsageError(f"The config of {described.name} has no usable {field.name}: {value}.")
    needed = (described.kv_heads, described.head_dim, described.intermediate, described.max_positions)
    if not all(needed):
        raise UsageError(f"The config of {described.name} has no KV heads, width of a head, MLP or positions.")
    return described


def _settled(described: Architecture, config: Config) -> Architecture:
    """What the checkpoint's own parameter count says about a head, a tower, and weights no field tells of."""
    total = config.get("total_params")
    speaks = "omni" in described.name.lower()  # its checkpoint holds a talker too, which is not served
    if isinstance(total, bool) or not isinstance(total, int) or total <= 0 or speaks:
        return described
    reckoned = parameters(described)
    table = described.vocab * described.hidden
    if not described.ties_embeddings and abs(reckoned - table - total) < 1e-4 * total and table > 0.005 * total:
        return replace(described, has_head=False)
    missing = total - reckoned
    believed = abs(missing) < LIKELY * total or config.get("shape_is_guessed") is True
    return replace(described, extra_parameters=missing) if believed else described


def _count(name: str, config: Config, field: str) -> int:
    value = config.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST[field]:
        raise UsageError(f"The config of {name} has no usable {field}: {value!r}.")
    return value


def _kv_heads(text: Config, model_type: str, heads: int) -> int:
    said = text.get("num_key_value_heads")
    if said is None and (text.get("multi_query") or model_type == "gpt_bigcode"):
        return int(text.get("num_kv_heads") or 1)
    return int(said or heads)


def _embeds(name: str, text: Config) -> bool:
    """Whether it makes vectors instead of text, and so is served without a head."""
    said = text.get("embeds")
    return bool(said) if said is not None else "embed" in name.rpartition("/")[2].lower()


def _ties(text: Config, facts: Family) -> bool:
    said = text.get("tie_word_embeddings")
    return facts.tied if said is None or facts.encoder else bool(said)


def _intermediate(text: Config, hidden: int) -> int:
    dense = text.get("intermediate_size_mlp") or text.get("intermediate_size")
    if isinstance(dense, list):
        return int(max(dense))
    return int(dense or text.get("moe_intermediate_size") or 4 * hidden)


def _full_heads(text: Config) -> Heads | None:
    """Gemma 4's full layers have fewer and wider heads than its sliding ones."""
    dim = text.get("global_head_dim")
    if not dim:
        return None
    count = int(text.get("num_global_key_value_heads") or text.get("num_key_value_heads") or 1)
    return Heads(count, int(dim), int(dim))


def _linear_scaling(text: Config, model_type: str) -> float:
    """The factor by which linear rope scaling lengthens the table of cosines; other kinds keep its length."""
    scaling = text.get("rope_scaling") or text.get("rope_parameters") or {}
    scaling = scaling.get("full_attention") or scaling
    kind = scaling.get("rope_type") or scaling.get("type")
    if not scaling and model_type.startswith("gemma3") and (text.get("max_position_embeddings") or 0) >= 131_072:
        return _GEMMA3_SCALING
    return float(scaling.get("factor", 1.0)) if kind == "linear" else 1.0


def _experts(text: Config, facts: Family, model_type: str) -> Experts | None:
    count = next((text[key] for key in ("num_experts", "num_local_experts", "n_routed_experts") if text.get(key)), None)
    if not count:
        return None
    width = int(text.get("moe_intermediate_size") or text.get("intermediate_size") or 0)
    shared = text.get("shared_expert_intermediate_size")
    if shared is None:
        shared = int(text.get("n_shared_experts") or 0) * width
    if model_type.startswith("llama4"):
        shared = width
    step = next(
        (
            text[key]
            for key in ("decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step", "expert_layer_period")
            if isinstance(text.get(key), int) and text[key] > 0
        ),
        2 if model_type == "jamba" else 1,
    )
    return Experts(
        count=int(count),
        per_token=int(text.get("num_experts_per_tok") or 1),
        intermediate=width,
        shared_intermediate=int(shared),
        shared_gate=bool(facts.shared_gate and shared),
        first_dense=int(text.get("first_k_dense_replace") or 0),
        step=int(step),
        beside_mlp=model_type.startswith("gemma4"),
        biases=facts.expert_biases,
    )


def _quantization(name: str, text: Config, model_type: str) -> Quantization | None:
    """What the config says, else the facts noted beside it, else the name: exact, good, better than nothing."""
    said = quantization.from_config(text.get("quantization_config"), model_type)
    words = text.get("quant_facts"), name.rpartition("/")[2]
    return said or next((found for text in words if (found := quantization.from_words(text, model_type))), None)


def _gguf(facts: Config | None) -> GgufBytes | None:
    """Bytes of each layer, or of one dense and one expert layer and how many there are of each."""
    if not facts:
        return None
    layers = tuple(map(int, facts.get("layer_bytes") or ()))
    if not layers:
        dense = (int(facts["dense_layer_bytes"]),) * int(facts["dense_layers"])
        layers = dense + (int(facts["expert_layer_bytes"]),) * int(facts["expert_layers"])
    whole = facts.get("latents") is not False
    return GgufBytes(int(facts["input_bytes"]), layers, int(facts["output_bytes"]), whole)
