"""What each layer of a model looks back on, from the many ways a ``config.json`` says so."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from fleet.architecture.architecture import CompressedAttention, LatentAttention, Recurrence, Span, State
from fleet.architecture.families import Family
from fleet.errors import UsageError

Config = Mapping[str, Any]

_SPANS = {
    "full_attention": Span.FULL,
    "attention": Span.FULL,
    "hybrid": Span.RECURRENT,
    "sliding_attention": Span.SLIDING,
    "local": Span.SLIDING,
    "chunked_attention": Span.CHUNKED,
    "linear_attention": Span.RECURRENT,
    "mamba": Span.RECURRENT,
    "mamba2": Span.RECURRENT,
    "recurrent": Span.RECURRENT,
    "cross_attention": Span.CROSS,
    "mlp": Span.NONE,
    "moe": Span.NONE,
}
_NEMOTRON = {"*": Span.FULL, "M": Span.RECURRENT, "-": Span.NONE, "E": Span.NONE}
_WINDOW_PERIODS = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "gemma4_text": 6, "cohere2": 4, "gpt_oss": 2}
"""One layer in so many is full, where the config names a window and nothing else."""


def spans(name: str, text: Config, family: Family, layers: int) -> tuple[Span, ...]:
    """One span per layer. Raises UsageError where the config contradicts itself or names a kind not known."""
    found = _spans(name, text, family, layers)
    shared = int(text.get("num_kv_shared_layers") or 0)
    if family.encoder:
        return (Span.NONE,) * layers
    return found[: layers - shared] + (Span.NONE,) * shared if 0 < shared < layers else found


def _spans(name: str, text: Config, family: Family, layers: int) -> tuple[Span, ...]:
    listed = text.get("layer_types") or text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if listed:
        table = _NEMOTRON if isinstance(listed, str) else _SPANS
        unknown = sorted({str(kind) for kind in listed} - table.keys())
        if unknown or len(listed) != layers:
            raise UsageError(
                f"The config of {name} has {len(listed)} layer_types for {layers} layers"
                + (f", with {', '.join(unknown)}, which has no estimate yet." if unknown else ".")
            )
        return tuple(table[str(kind)] for kind in listed)
    for field, span in (("cross_attention_layers", Span.CROSS), ("attn_layer_indices", Span.FULL)):
        if isinstance(text.get(field), list):
            other = Span.FULL if span is Span.CROSS else Span.RECURRENT
            return tuple(span if layer in text[field] else other for layer in range(layers))
    if text.get("full_attn_layers"):
        full = set(text["full_attn_layers"])  # counted from 1
        return tuple(Span.FULL if layer + 1 in full else Span.RECURRENT for layer in range(layers))
    if text.get("attn_layer_period"):
        every, offset = int(text["attn_layer_period"]), int(text.get("attn_layer_offset") or 0)
        return tuple(Span.FULL if layer % every == offset else Span.RECURRENT for layer in range(layers))
    if family.state and text.get("full_attention_interval"):
        return _periodic(layers, int(text["full_attention_interval"]), Span.RECURRENT)
    if family.state:
        return (Span.RECURRENT,) * layers
    if text.get("attention_chunk_size"):
        return _periodic(layers, int(text.get("no_rope_layer_interval") or 4), Span.CHUNKED)
    if not text.get("sliding_window") or text.get("use_sliding_window") is False:
        return (Span.FULL,) * layers
    if family.window_ignored and not text.get("use_sliding_window"):
        return (Span.FULL,) * layers
    period = text.get("sliding_window_pattern") or _WINDOW_PERIODS.get(str(text.get("model_type")))
    if isinstance(period, int) and period > 1:
        return _periodic(layers, period, Span.SLIDING)
    return (Span.SLIDING,) * layers


def _periodic(layers: int, period: int, span: Span) -> tuple[Span, ...]:
    return tuple(span if (layer + 1) % period else Span.FULL for layer in range(layers))


def latent(text: Config) -> LatentAttention | None:
    """Latent attention; a projection whose width is not told has the one DeepSeek's models share."""
    if not text.get("kv_lora_rank"):
        return None
    return LatentAttention(
        kv_rank=int(text["kv_lora_rank"]),
        query_rank=int(text["q_lora_rank"]) if text.get("q_lora_rank") else None,
        rope_dim=int(text.get("qk_rope_head_dim") or 64),
        nope_dim=int(text.get("qk_nope_head_dim") or 128),
        value_dim=int(text.get("v_head_dim") or 128),
        indexer_heads=int(text.get("index_n_heads") or 0),
        indexer_dim=int(text.get("index_head_dim") or 0),
    )


def compressed(text: Config, layers: int) -> CompressedAttention | None:
    """Compressed attention, from ``kv_compress_ratios``: a list per layer, or how many layers have which."""
    said = text.get("kv_compress_ratios") or text.get("compress_ratios")
    if not said:
        return None
    ratios = (
        [int(ratio) for ratio, count in said.items() for _ in range(min(int(count), layers))]
        if isinstance(said, Mapping)
        else [int(ratio) for ratio in said]
    )
    return CompressedAttention(
        width=int(text.get("head_dim") or 512),
        ratios=tuple(ratios[:layers]),
        output_rank=int(text.get("o_lora_rank") or 1024),
        query_rank=int(text.get("q_lora_rank") or 1024),
        indexer_heads=int(text.get("index_n_heads") or 0),
        indexer_dim=int(text.get("index_head_dim") or 0),
    )


def state(text: Config, kind: Recurrence | None) -> State | None:
    """The shape of the recurrent layers, with the defaults of each kind's own configuration class."""
    hidden = int(text.get("hidden_size") or 0)
    match kind:
        case Recurrence.DELTA_NET:
            return State(
                kind,
                heads=int(text.get("linear_num_value_heads") or 32),
                head_dim=int(text.get("linear_value_head_dim") or 128),
                state_dim=int(text.get("linear_key_head_dim") or 128),
                groups=int(text.get("linear_num_key_heads") or 16),
                kernel=int(text.get("linear_conv_kernel_dim") or 4),
                state_bytes=4 if str(text.get("model_type")).startswith("qwen3_5") else None,
            )
        case Recurrence.KIMI_DELTA:
            heads = int(text.get("linear_num_heads") or text.get("num_attention_heads") or 32)
            dim = int(text.get("linear_head_dim") or 128)
            return State(kind, heads, dim, dim, heads, int(text.get("short_conv_kernel_size") or 4), state_bytes=4)
        case Recurrence.MAMBA1:
            inner = int(text.get("mamba_expand") or text.get("expand") or 2) * hidden
            size = int(text.get("mamba_d_state") or text.get("state_size") or 16)
            kernel = int(text.get("mamba_d_conv") or text.get("conv_kernel") or 4)
            rank = int(text.get("mamba_dt_rank") or text.get("time_step_rank") or ceil(hidden / 16))
            return State(kind, inner, 1, size, rank, kernel)
        case Recurrence.MAMBA2:
            dim = int(text.get("mamba_d_head") or text.get("mamba_head_dim") or text.get("mamba_headdim") or 64)
            inner = int(text.get("mamba_expand") or text.get("expand") or 2) * hidden
            return State(
                kind,
                heads=int(text.get("mamba_n_heads") or text.get("mamba_num_heads") or inner // dim),
                head_dim=dim,
                state_dim=int(text.get("mamba_d_state") or text.get("ssm_state_size") or 128),
                groups=int(text.get("mamba_n_groups") or text.get("n_groups") or text.get("mamba_ngroups") or 1),
                kernel=int(text.get("mamba_d_conv") or text.get("conv_kernel") or 4),
                state_bytes=4 if text.get("model_type") == "nemotron_h" else None,
            )
    return None
