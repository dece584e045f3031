"""A vLLM command line with the version's defaults filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.architecture.architecture import Architecture
from fleet.estimate.vllm.versions import Era, Generation, default_batch
from fleet.hardware import Accelerator
from fleet.model import Arguments

_V0_SEQUENCES = 256
LONG_CONTEXT = 32_768
"""V0 chunks prefill by itself only above this length (engine/arg_utils.py, ``_set_default_args_v0``)."""
_V0_MULTIMODAL_TOKENS = 5120
"""V0's smallest batch for a model that takes images (config.py, 0.9.0)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the engine runs with."""

    utilization: float
    max_model_len: int
    batched_tokens: int
    """Tokens of one forward pass: ``max_num_batched_tokens``."""
    sequences: int
    """Requests of one batch: ``max_num_seqs``."""
    tensor_parallel: int
    pipeline_parallel: int
    chunked_prefill: bool
    eager: bool
    block_size: int
    cache_dtype: str
    weight_bytes: int
    """Bytes of one unquantised weight, and of one cached element where the cache's type is ``auto``."""
    runtime_fp8: bool
    """Whether the engine itself quantises a 16-bit checkpoint while loading."""
    cache_bytes: int | None
    """``--kv-cache-memory-bytes``: the pool as given instead of profiled."""

    @property
    def world_size(self) -> int:
        """GPUs it takes."""
        return self.tensor_parallel * self.pipeline_parallel


def resolve(
    args: Arguments, architecture: Architecture, era: Era, accelerator: Accelerator, length: int | None = None
) -> Settings:
    """The arguments, and the version's defaults where they are silent; ``length`` overrules ``max-model-len``."""
    length = length or max(0, _count(args, "max-model-len", 0)) or architecture.max_positions
    chunked = _chunks_prefill(args, architecture, era, length)
    tokens, sequences = batch(args, architecture, era, accelerator, length)
    return Settings(
        utilization=args.number("gpu-memory-utilization", era.default_utilization),
        max_model_len=length,
        batched_tokens=tokens,
        sequences=sequences,
        tensor_parallel=max(1, _count(args, "tensor-parallel-size", 1)),
        pipeline_parallel=max(1, _count(args, "pipeline-parallel-size", 1)),
        chunked_prefill=chunked,
        eager=args.flag("enforce-eager"),
        block_size=max(1, _count(args, "block-size", 16)),
        cache_dtype=_cache_dtype(args, architecture),
        weight_bytes=4 if args.text("dtype", "auto") in ("float32", "float") else 2,
        runtime_fp8=args.text("quantization", "") == "fp8" and architecture.quantization is None,
        cache_bytes=_count(args, "kv-cache-memory-bytes", 0) or None,
    )


def _count(args: Arguments, flag: str, default: int) -> int:
    """A whole number as vLLM's parser reads it: ``32k`` is 32,000 and ``32K`` is 32,768."""
    value = args.get(flag)
    if value is None or isinstance(value, int):
        return args.integer(flag, default)
    match = re.fullmatch(r"(\d{1,12})([kK]?)", str(value))
    return int(match[1]) * {"k": 1000, "K": 1024}.get(match[2], 1) if match else default


def _chunks_prefill(args: Arguments, architecture: Architecture, era: Era, length: int) -> bool:
    said = args.get("enable-chunked-prefill")
    if isinstance(said, bool):
        return said
    if era.generation is Generation.V1:
        return True
    return length > LONG_CONTEXT and not (
        architecture.is_multimodal or architecture.latent or architecture.sliding_window
    )


def _cache_dtype(args: Arguments, architecture: Architecture) -> str:
    said = args.text("kv-cache-dtype", "auto")
    scheme = architecture.quantization.kv_cache_dtype if architecture.quantization else None
    return scheme or said if said == "auto" else said


def batch(
    args: Arguments, architecture: Architecture, era: Era, accelerator: Accelerator, length: int
) -> tuple[int, int]:
    """Tokens and sequences of one batch, with that largest length."""
    chunked = _chunks_prefill(args, architecture, era, length)
    if era.generation is Generation.V0:
        tokens = era.chunk_tokens if chunked else max(length, 2048)
        if architecture.is_multimodal:
            tokens = max(tokens, _V0_MULTIMODAL_TOKENS)
        return _count(args, "max-num-batched-tokens", tokens), _count(args, "max-num-seqs", _V0_SEQUENCES)
    tokens, sequences = default_batch(era, accelerator)
    if not chunked:
        tokens = max(tokens, length)
    most = _count(args, "max-num-seqs", sequences) * length
    tokens = _count(args, "max-num-batched-tokens", min(tokens, most))
    return tokens, _count(args, "max-num-seqs", min(sequences, tokens))
