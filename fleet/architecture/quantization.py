"""How a checkpoint stores its weights: from a ``quantization_config``, or from the words people use for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fleet.architecture.architecture import Part, Quantization

Config = Mapping[str, Any]

_MXFP4 = 0.5 + 1 / 32
"""One 8-bit exponent for 32 weights."""
_NVFP4 = 0.5 + 1 / 16
"""One 8-bit scale for 16 weights."""
_NF4 = 0.5 + 4 / 64
"""One fp32 maximum for 64 weights."""
_NF4_TWICE = 0.5 + 1 / 64 + 4 / (64 * 256)
"""The maxima themselves quantised, in blocks of 256."""
_GGUF_BITS = {
    "q2_k": 3.35, "q3_k_s": 3.5, "q3_k_m": 3.91, "q3_k_l": 4.27, "q4_0": 4.55, "q4_1": 5.0, "q4_k_s": 4.58,
    "q4_k_m": 4.85, "q5_0": 5.54, "q5_1": 6.0, "q5_k_s": 5.54, "q5_k_m": 5.69, "q6_k": 6.6, "q8_0": 8.5,
    "iq2_xxs": 2.1, "iq2_xs": 2.4, "iq2_s": 2.6, "iq3_xxs": 3.1, "iq3_s": 3.5, "iq4_nl": 4.5, "iq4_xs": 4.3,
}  # fmt: skip
"""Bits a weight of llama.cpp's mixed presets; a file's own header is exact."""

_PARTS = {
    "self_attn": Part.ATTENTION,
    "attention.": Part.ATTENTION,
    "linear_attn": Part.RECURRENT,
    "mamba": Part.RECURRENT,
    "mlp.experts": Part.EXPERTS,
    "block_sparse_moe.experts": Part.EXPERTS,
}


def from_config(config: Config | None, model_type: str = "") -> Quantization | None:
    """Bytes of a weight under a ``quantization_config``; None where nothing is quantised."""
    if not config:
        return None
    method = str(config.get("quant_method") or "").lower()
    kept = _kept(config)
    cache = _cache_scheme(config)
    if method == "fp8" and model_type == "deepseek_v4":
        return Quantization(method, 1.0, MappingProxyType({Part.EXPERTS: _MXFP4}), cache)
    if method == "compressed-tensors" and model_type.startswith("kimi") and not config.get("config_groups"):
        return _experts_only(method, _integers(4, 32, zero_points=False), cache)
    match method:
        case "fp8" | "fbgemm_fp8" | "ptpc_fp8" | "deepseek_v4_fp8":
            return _stored(method, 1.0 + _block_scale(config), kept, cache)
        case "mxfp4" | "gpt_oss_mxfp4":
            return _experts_only(method, _MXFP4, cache)
        case "compressed-tensors" | "compressed_tensors":
            return _stored(method, _grouped(config), kept, cache)
        case "modelopt" | "modelopt_fp4" | "modelopt_mixed" | "nvfp4":
            if model_type.startswith("gemma4"):
                kept = (*kept, Part.ATTENTION)
            return _modelopt(method, config, kept, cache, model_type.startswith("qwen3_5"))
        case "quark" | "quark_mxfp4":
            return _stored(method, _MXFP4 if "fp4" in str(config).lower() else 1.0, kept, cache)
        case "bitsandbytes":
            return _stored(method, _bitsandbytes(config), kept, cache)
        case "gguf":
            return from_words(str(config))
        case "experts_int8":
            return _experts_only(method, 1.0, cache)
    bits, group = int(config.get("bits") or config.get("w_bit") or 4), int(config.get("group_size") or 128)
    return _stored(method or "int", _integers(bits, group, zero_points=True), kept, cache)


def from_words(text: str | None, model_type: str = "") -> Quantization | None:
    """The same from a free description or a model's name, such as ``AWQ INT4 g128``; None where it tells of none."""
    if not text:
        return None
    said = text.lower().replace("-", "_")
    kept = {part: 0.0 for part in (Part.ATTENTION, Part.MLP) if "rest bf16" in said or "experts only" in said}
    if "attention bf16" in said or "attention and" in said:
        kept[Part.ATTENTION] = 0.0
    cache = "fp8" if "kv scales" in said or "fp8_kv" in said else None
    bytes_per_weight = _said_bytes(said)
    if bytes_per_weight is None:
        return None
    if "nvfp4" in said and (model_type.startswith("qwen3_5") or "mixed" in said):
        kept |= {Part.ATTENTION: 1.0, Part.RECURRENT: 1.0}
    method = next((name for name in ("bitsandbytes", "gguf", "awq", "gptq", "mxfp4") if name in said), "said")
    if "bnb" in said or "nf4" in said:
        method = "bitsandbytes"
    ends = 2 if "first/last layer" in said else 0
    return Quantization(method, bytes_per_weight, MappingProxyType(kept), cache, ends)


def _said_bytes(said: str) -> float | None:
    preset = re.search(r"(?<![a-z0-9])i?q\d_(?:k_[sml]|k|\d|xxs|xs|nl|s)", said)
    if preset and preset[0] in _GGUF_BITS:
        return _GGUF_BITS[preset[0]] / 8
    group = re.search(r"(?<![a-z0-9])g(\d{2,3})(?![a-z0-9])", said)
    size = int(group[1]) if group else 128
    if "nvfp4" in said:
        return _NVFP4
    if "mxfp4" in said:
        return _MXFP4
    if "bnb" in said or "nf4" in said or "bitsandbytes" in said:
        return 1.0 if "8bit" in said or "int8" in said else _NF4_TWICE
    if re.search(r"int8|w8a|8bit|8_bit|int_8", said):
        return 1.0
    if re.search(r"fp8", said):
        return 1.0 + (4 / 128**2 if "block" in said else 0.0)
    if re.search(r"int4|w4a|4bit|4_bit|int_4|awq|gptq|marlin|auto_?round", said):
        return _integers(4, size, zero_points="w4a16" not in said)
    return None


def _stored(method: str, bytes_per_weight: float, kept: Iterable[Part], cache: str | None) -> Quantization:
    return Quantization(method, bytes_per_weight, MappingProxyType(dict.fromkeys(kept, 0.0)), cache)


def _experts_only(method: str, bytes_per_weight: float, cache: str | None) -> Quantization:
    return _stored(method, bytes_per_weight, (Part.ATTENTION, Part.MLP, Part.RECURRENT), cache)


def _kept(config: Config) -> tuple[Part, ...]:
    """Parts that the config leaves alone in every layer."""
    listed: list[Any] = []
    for key in ("modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules", "llm_int8_skip_modules"):
        value = config.get(key)
        listed += value if isinstance(value, list) else []
    everywhere = [str(item) for item in listed if not re.search(r"layers\.\d+\.", str(item))]
    found = {part for item in everywhere for word, part in _PARTS.items() if word in item}
    return tuple(sorted(found))


def _cache_scheme(config: Config) -> str | None:
    said = str(config.get("kv_cache_scheme") or config.get("kv_cache_quant_algo") or "").lower()
    return "fp8" if "fp8" in said or "float" in said or "num_bits" in said else None


def _block_scale(config: Config) -> float:
    """Bytes of scales beside one weight: an fp32 for each block."""
    block = config.get("weight_block_size")
    return 4 / (int(block[0]) * int(block[1])) if isinstance(block, list) and len(block) == 2 else 0.0


def _integers(bits: int, group: int, *, zero_points: bool) -> float:
    """Packed integers with a 16-bit scale, and as wide a zero point as a weight, for each group."""
    if group <= 0:
        return bits / 8
    return bits / 8 + (2.0 + (bits / 8 if zero_points else 0.0)) / group


def _grouped(config: Config) -> float:
    """Compressed tensors: the first group's weights, which in practice are all linear layers but those ignored."""
    groups = [group for group in (config.get("config_groups") or {}).values() if isinstance(group, Mapping)]
    weights: Config = groups[0].get("weights") or {} if groups else {}
    bits, group = int(weights.get("num_bits") or (8 if groups else 4)), int(weights.get("group_size") or 0)
    if str(weights.get("type")) == "float":
        return bits / 8 + (1 / group if bits == 4 and group > 0 else 0.0)
    if not groups:
        return _integers(4, 32, zero_points=False)
    return _integers(bits, group, zero_points=weights.get("symmetric") is False)


def _modelopt(method: str, config: Config, kept: tuple[Part, ...], cache: str | None, hybrid: bool) -> Quantization:
    algorithm = str(config.get("quant_algo") or "").upper()
    if "MIXED" in algorithm or hybrid:
        by_part = {Part.ATTENTION: 1.0, Part.RECURRENT: 1.0, **dict.fromkeys(kept, 0.0)}
        return Quantization(method, _NVFP4, MappingProxyType(by_part), cache)
    if "FP8" in algorithm and "NVFP4" not in algorithm:
        return _stored(method, 1.0, kept, cache)
    return _stored(method, _NVFP4, kept, cache)


def _bitsandbytes(config: Config) -> float:
    if config.get("load_in_8bit"):
        return 1.0
    return _NF4_TWICE if config.get("bnb_4bit_use_double_quant") else _NF4
