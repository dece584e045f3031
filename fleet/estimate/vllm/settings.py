"""A vLLM command line with the version's defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


def resolve(args: Arguments, architecture: Architecture, era: Era, accelerator: Accelerator) -> Settings:
    """The arguments, and the version's defaults where they are silent (reading config.py, arg_utils.py)."""
    length = args.integer("max-model-len", architecture.max_positions)
    chunked = _chunks_prefill(args, architecture, era, length)
    quantised_by_flag = args.text("quantization", "") == "fp8" and architecture.quantization is None
    settings = Settings(
        utilization=args.number("gpu-memory-utilization", era.default_utilization),
        max_model_len=length,
        batched_tokens=0,
        sequences=0,
        tensor_parallel=max(1, args.integer("tensor-parallel-size", 1)),
        pipeline_parallel=max(1, args.integer("pipeline-parallel-size", 1)),
        chunked_prefill=chunked,
        eager=args.flag("enforce-eager"),
        block_size=max(1, args.integer("block-size", 16)),
        cache_dtype=_cache_dtype(args, architecture),
        weight_bytes=4 if args.text("dtype", "auto") in ("float32", "float") else 2,
        runtime_fp8=quantised_by_flag,
        cache_bytes=args.integer("kv-cache-memory-bytes", 0) or None,
    )
    tokens, sequences = _batch(args, architecture, era, accelerator, settings)
    return replace(settings, batched_tokens=tokens, sequences=sequences)


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


def _batch(
    args: Arguments, architecture: Architecture, era: Era, accelerator: Accelerator, settings: Settings
) -> tuple[int, int]:
    """Tokens and sequences of one batch."""
    length = settings.max_model_len
    if era.generation is Generation.V0:
        tokens = era.chunk_tokens if settings.chunked_prefill else max(length, 2048)
        if architecture.is_multimodal:
            tokens = max(tokens, _V0_MULTIMODAL_TOKENS)
        return args.integer("max-num-batched-tokens", tokens), args.integer("max-num-seqs", _V0_SEQUENCES)
    tokens, sequences = default_batch(era, accelerator)
    sequences_said = args.integer("max-num-seqs", sequences)
    if not settings.chunked_prefill:
        tokens = max(tokens, length)
    tokens = args.integer("max-num-batched-tokens", min(tokens, sequences_said * length))
    return tokens, args.integer("max-num-seqs", min(sequences, tokens))
