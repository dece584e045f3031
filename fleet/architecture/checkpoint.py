"""A model's own files: a folder with ``config.json`` and safetensors, or a GGUF file. Only headers are read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet.architecture import gguf, safetensors
from fleet.architecture.architecture import Architecture
from fleet.architecture.config import from_config
from fleet.architecture.ranges import HeaderError, Reader, exactly, read_local
from fleet.architecture.stored import Stored, StoredBytes, StoredLayer
from fleet.errors import UsageError
from fleet.text import clean
from fleet.units import MiB

_LONGEST_CONFIG = 16 * MiB
_INDEX = "model.safetensors.index.json"
_MOST_FILES = 4096
_SCALE = re.compile(r"scale|zero_point|zeros|absmax|quant_map|g_idx|nested|input_max|amax")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
_ENCODER = re.compile(r"visual|vision|audio|encoder|img|image|projector|connector|multi_modal|mm_")
_DRAFT = re.compile(r"(?:^|\.)mtp[._]|eh_proj|shared_head|\.enorm\.|\.hnorm\.")
_EMBEDDING = re.compile(r"embed_tokens|wte\.|word_embeddings|tok_embeddings|embed_in")
_HEAD = re.compile(r"lm_head|embed_out|(?:^|\.)output\.weight")
_COPIED = re.compile(r"norm|\.gate\.weight|router|q_a_proj|kv_a_proj|shared_expert_gate|rotary|indexer")
_ARCHITECTURES = {
    "llama": "llama", "qwen2": "qwen2", "qwen2moe": "qwen2_moe", "qwen3": "qwen3", "qwen3moe": "qwen3_moe",
    "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text", "gemma3n": "gemma3n", "phi2": "phi", "phi3": "phi3",
    "deepseek2": "deepseek_v2", "gpt-oss": "gpt_oss", "granite": "granite", "starcoder2": "starcoder2",
    "command-r": "cohere", "cohere2": "cohere2", "glm4": "glm4", "glm4moe": "glm4_moe", "falcon": "falcon",
    "gpt2": "gpt2", "mamba": "mamba", "jamba": "jamba", "nemotron_h": "nemotron_h", "qwen3next": "qwen3_next",
}  # fmt: skip


Steps = Generator[tuple[str, Callable[[str, int], Reader[Any]]], Any, Architecture]
"""Yields the name of a file and what reads it, is sent what that found, and returns the architecture."""


def read(path: Path) -> Architecture:
    """The architecture of a model folder or a GGUF file here, with what its headers say of its weights.

    Raises UsageError where there is nothing to read, HeaderError where a file is not what its name says.
    """
    folder, names = (path, [entry.name for entry in path.iterdir()]) if path.is_dir() else (path.parent, None)
    steps = of_folder(path.name, names) if names is not None else of_file(path.name)
    try:
        file, reader = next(steps)
        while True:
            file, reader = steps.send(read_local(folder / file, reader))
    except StopIteration as end:
        found: Architecture = end.value
        return found


def of_folder(name: str, files: Collection[str]) -> Steps:
    """Reads a folder with those files. Raises UsageError where they make no model."""
    if "config.json" not in files:
        raise UsageError(f"{clean(name)} has no config.json, and is no model's folder.")
    known = from_config(name, (yield "config.json", parse_config))
    shards = _named((yield _INDEX, parse_config)) if _INDEX in files else _lying_there(files)
    tensors: list[safetensors.Tensor] = []
    for shard in shards:
        tensors += yield shard, safetensors.header
    return replace(known, stored=stored(tensors, known.layers)) if tensors else known


def of_file(name: str) -> Steps:
    """Reads a GGUF file, and the others where it is one part of ``…-00001-of-00003.gguf``."""
    if not name.endswith(".gguf"):
        raise UsageError(f"{clean(name)} is neither a model's folder nor a .gguf file.")
    split = re.fullmatch(r"(.*)-\d{5}-of-(\d{5})\.gguf", name)
    count = min(int(split[2]), _MOST_FILES) if split else 1
    parts = [f"{split[1]}-{part:05}-of-{split[2]}.gguf" for part in range(1, count + 1)] if split else [name]
    facts: dict[str, gguf.Value] = {}
    tensors: list[gguf.Tensor] = []
    for part in parts:
        header: gguf.Header = yield part, gguf.header
        facts = {**header.facts, **facts}
        tensors += header.tensors
    return from_config(name, gguf_config(facts, tensors))


def parse_config(file: str, size: int) -> Reader[dict[str, Any]]:
    """Reader of a ``config.json`` or an index. Raises HeaderError with the line and column of what is wrong."""
    if size > _LONGEST_CONFIG:
        raise HeaderError(file, 0, f"a config of {size:,} bytes is larger than {_LONGEST_CONFIG >> 20} MiB")
    text = yield from exactly(file, 0, size, "its text")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise HeaderError(file, error.pos, f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise HeaderError(file, 0, f"this is no JSON that is read: {clean(str(error), 120)}") from None
    if not isinstance(found, dict):
        raise HeaderError(file, 0, "this is no mapping of fields")
    return found


def _named(index: Mapping[str, Any]) -> tuple[str, ...]:
    """The safetensors files an index names."""
    named = index.get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(file, str) for file in named.values()):
        raise UsageError(f"{_INDEX} has no weight_map of tensors to files.")
    files = tuple(sorted(set(named.values())))
    outside = next((file for file in files if file != Path(file).name or "\0" in file), None)
    if outside is not None or len(files) > _MOST_FILES:
        raise UsageError(f"{_INDEX} names a file outside its folder: {clean(str(outside))}.")
    return files


def _lying_there(files: Collection[str]) -> tuple[str, ...]:
    """The safetensors files of a folder without an index; of two forms of the same, the one engines load."""
    found = sorted(file for file in files if file.endswith(".safetensors"))
    return tuple(file for file in found if not file.startswith("consolidated")) or tuple(found)


def stored(tensors: Iterable[safetensors.Tensor], layers: int) -> Stored:
    """The tensors of a checkpoint by where they go. What only speculative decoding loads is left out."""
    split, copied = [StoredBytes()] * layers, [StoredBytes()] * layers
    embedding = head = others = StoredBytes()
    disk, kinds = 0, Counter[str]()
    for tensor in tensors:
        size = _served(tensor)
        disk += tensor.size
        kinds[tensor.dtype] += tensor.size
        name, layer = tensor.name, _LAYER.search(tensor.name)
        if _DRAFT.search(name):
            continue
        if layer and not _ENCODER.search(name):
            number = int(layer[1])
            if number >= layers:
                continue
            kept = copied if _COPIED.search(name) else split
            kept[number] += size
        elif _EMBEDDING.search(name) and not _ENCODER.search(name):
            embedding += size
        elif _HEAD.search(name):
            head += size
        else:
            others += size
    kept_layers = tuple(map(StoredLayer, split, copied))
    return Stored(kept_layers, embedding, head, others, disk, kinds.most_common(1)[0][0] if kinds else "")


def _served(tensor: safetensors.Tensor) -> StoredBytes:
    """Floats are cast to the serving type; codes, and the scales beside them, stay as they are."""
    if tensor.dtype in ("F64", "F32", "F16", "BF16") and not _SCALE.search(tensor.name):
        return StoredBytes(plain=tensor.elements)
    return StoredBytes(packed=tensor.size)


def gguf_config(facts: Mapping[str, gguf.Value], tensors: Iterable[gguf.Tensor]) -> dict[str, Any]:
    """The facts of a GGUF file under the names Hugging Face's ``config.json`` has for them."""
    kind = str(facts.get("general.architecture") or "llama")

    def said(key: str) -> Any:
        value = facts.get(f"{kind}.{key}")
        return value[0] if isinstance(value, tuple) and value else None if isinstance(value, gguf.Passed) else value

    tokens, listed = facts.get("tokenizer.ggml.tokens"), list(tensors)
    named = {tensor.name for tensor in listed}
    vocabulary = tokens.count if isinstance(tokens, gguf.Passed) else said("vocab_size")
    heads_of_layers = facts.get(f"{kind}.attention.head_count_kv")
    config = {
        "model_type": _ARCHITECTURES.get(kind, kind),
        "num_hidden_layers": said("block_count"),
        "hidden_size": said("embedding_length"),
        "num_attention_heads": said("attention.head_count"),
        "num_key_value_heads": max(heads_of_layers) if isinstance(heads_of_layers, tuple) else heads_of_layers,
        "head_dim": said("attention.key_length"),
        "intermediate_size": said("feed_forward_length"),
        "vocab_size": vocabulary,
        "max_position_embeddings": said("context_length"),
        "tie_word_embeddings": "output.weight" not in named,
        "sliding_window": said("attention.sliding_window"),
        "num_experts": said("expert_count"),
        "num_experts_per_tok": said("expert_used_count"),
        "moe_intermediate_size": said("expert_feed_forward_length"),
        "first_k_dense_replace": said("leading_dense_block_count"),
        "kv_lora_rank": said("attention.kv_lora_rank"),
        "q_lora_rank": said("attention.q_lora_rank"),
        "qk_rope_head_dim": said("rope.dimension_count"),
        "v_head_dim": said("attention.value_length_mla") or said("attention.value_length"),
    }
    if config["kv_lora_rank"]:
        key = said("attention.key_length_mla") or said("attention.key_length") or 192
        config |= {"qk_nope_head_dim": key - (config["qk_rope_head_dim"] or 64), "head_dim": None}
    latents = not config["kv_lora_rank"] or any(name.endswith("attn_k_b.weight") for name in named)
    return {**config, "gguf": {**_gguf_bytes(listed, said("block_count") or 0), "latents": latents}}


def _gguf_bytes(tensors: list[gguf.Tensor], layers: int) -> dict[str, Any]:
    sizes, first, last = [0] * min(layers, 1 << 16), 0, 0
    for tensor in tensors:
        block = re.match(r"blk\.(\d+)\.", tensor.name)
        if block and int(block[1]) < len(sizes):
            sizes[int(block[1])] += tensor.size
        elif tensor.name.startswith("token_embd"):
            first += tensor.size
        else:
            last += tensor.size
    return {"input_bytes": first, "layer_bytes": sizes, "output_bytes": last}
