"""A vLLM command line with the version's defaults filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fleet.architecture.architecture import Architecture
from fleet.estimate.vllm.speculation import Draft, draft
from fleet.estimate.vllm.versions import Era, Generation, default_batch
from fleet.hardware import Accelerator
from fleet.model import Arguments
from fleet.units import GiB

_V0_SEQUENCES = 256
LONG_CONTEXT = 32_768
"""V0 chunks prefill by itself only above this length (engine/arg_utils.py, ``_set_default_args_v0``)."""
_V0_MULTIMODAL_TOKENS = 5120
"""V0's smallest batch for a model that takes images (config.py, 0.9.0)."""
_MARLIN_WIDTH, _MARLIN_HIDDEN = 128, 256
"""MXFP4 experts are padded to these by Marlin; Triton's kernels pad one dimension only."""
_RUNTIME_BYTES = {"fp8": 1.0, "fp8_per_tensor": 1.0, "fp8_per_channel": 1.0, "fp8_per_block": 1.0, "online": 1.0}
_DEFAULT_BLOCK = 16


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """What the engine runs with. Compared by identity, one object for the same question."""

    utilization: float
    max_model_len: int
    fits_length: bool
    """``max-model-len auto``: the engine lowers the length to what fits instead of refusing."""
    batched_tokens: int
    """Tokens of one forward pass: ``max_num_batched_tokens``."""
    sequences: int
    """Requests of one batch: ``max_num_seqs``."""
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    expert_parallel: bool
    context_parallel: int
    """GPUs that share the cache of one sequence: ``decode-context-parallel-size``."""
    chunked_prefill: bool
    prefix_caching: bool
    eager: bool
    block_size: int
    cache_dtype: str
    weight_bytes: int
    """Bytes of one unquantised weight, and of one cached element where the cache's type is ``auto``."""
    runtime_bytes: float | None
    """Bytes of a linear weight the engine itself quantises while loading; None where it does not."""
    expert_padding: float
    """How much larger the kernels' layout makes the experts than the checkpoint."""
    cache_bytes: int | None
    """``--kv-cache-memory-bytes``: the pool as given instead of profiled."""
    blocks: int | None
    """``--num-gpu-blocks-override``."""
    offloaded_bytes: int
    """``--cpu-offload-gb``: weights of each GPU that stay in the host's memory."""
    language_only: bool
    """No tower is loaded or profiled."""
    profiles_images: bool
    images: int | None
    """Images one request may have, where that is limited."""
    draft: Draft | None
    groups_layers: bool
    """Whether sliding layers get shorter block tables of their own."""
    graphs_counted: bool | None
    """``VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS`` where it is set."""
    sorts: bool | None
    """Whether the sampler sorts; None where it is not known which sampler is installed."""
    exceeds_model: bool
    """``VLLM_ALLOW_LONG_MAX_MODEL_LEN``: a length beyond what the model was made for is taken."""
    partition: tuple[int, ...]
    """``VLLM_PP_LAYER_PARTITION``: layers of each stage."""

    @property
    def world_size(self) -> int:
        """GPUs it takes."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel


@lru_cache(maxsize=8192)
def resolve(
    args: Arguments, architecture: Architecture, era: Era, accelerator: Accelerator, length: int | None = None
) -> Settings:
    """The arguments, and the version's defaults where they are silent; ``length`` overrules ``max-model-len``."""
    said = args.get("max-model-len")
    fits_length = said in (-1, "auto", "-1")
    length = length or max(0, _count(args, "max-model-len", 0)) or architecture.max_positions
    tokens, sequences = batch(args, architecture, era, accelerator, length)
    size = max(1, _count(args, "tensor-parallel-size", 1))
    block = _count(args, "block-size", 0)
    partition = str(args.get("VLLM_PP_LAYER_PARTITION") or "")
    return Settings(
        utilization=args.number("gpu-memory-utilization", era.default_utilization),
        max_model_len=length,
        fits_length=fits_length,
        batched_tokens=tokens,
        sequences=sequences,
        tensor_parallel=size,
        pipeline_parallel=max(1, _count(args, "pipeline-parallel-size", 1)),
        data_parallel=max(1, _count(args, "data-parallel-size", 1)),
        expert_parallel=args.flag("enable-expert-parallel"),
        context_parallel=max(1, _count(args, "decode-context-parallel-size", 1)),
        chunked_prefill=_chunks_prefill(args, architecture, era, length),
        prefix_caching=_caches_prefixes(args, architecture, era),
        eager=_without_graphs(args) or (era.rocm and architecture.cross_attention),
        block_size=block if block > 0 else _default_block(architecture, era),
        cache_dtype=_cache_dtype(args, architecture),
        weight_bytes=_weight_bytes(args),
        runtime_bytes=_runtime_bytes(args) if architecture.quantization is None else None,
        expert_padding=_expert_padding(architecture, era, accelerator, size),
        cache_bytes=_size(args, "kv-cache-memory-bytes") or _size(args, "kv-cache-memory"),
        blocks=_count(args, "num-gpu-blocks-override", 0) or None,
        offloaded_bytes=round(args.number("cpu-offload-gb", 0) * GiB) if era.offloads_weights else 0,
        language_only=args.flag("language-model-only"),
        profiles_images=not args.flag("skip-mm-profiling"),
        images=_image_limit(args),
        draft=draft(args, architecture),
        groups_layers=era.groups_layers and not args.flag("disable-hybrid-kv-cache-manager"),
        graphs_counted=_switch(args, "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"),
        sorts=_sorts(args),
        exceeds_model=bool(_switch(args, "VLLM_ALLOW_LONG_MAX_MODEL_LEN")),
        partition=tuple(int(part) for part in partition.split(",") if part.strip().isdigit()),
    )


def _count(args: Arguments, flag: str, default: int) -> int:
    """A whole number as vLLM's parser reads it: ``32k`` is 32,000 and ``32K`` is 32,768."""
    value = args.get(flag)
    if value is None or isinstance(value, bool):
        return default
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kKmM]?)", str(value))
    scale = {"k": 1000, "K": 1024, "m": 10**6, "M": 1 << 20}
    return int(float(match[1]) * scale.get(match[2], 1)) if match else default


def _size(args: Arguments, flag: str) -> int | None:
    """A size as vLLM's parser reads it: ``20G`` is 20 x 2^30 and ``20g`` is 20 x 10^9 bytes."""
    value = args.get(flag)
    if value is None or isinstance(value, int | float):
        return int(value) if value else None
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kKmMgGtT]?)(?:i?[bB])?", str(value).strip())
    if match is None:
        return None
    power = "kmgt".find(match[2].lower()) + 1
    return int(float(match[1]) * (1024 if match[2].isupper() else 1000) ** power) or None


def _without_graphs(args: Arguments) -> bool:
    """``--enforce-eager``, or a compilation level or mode that captures nothing."""
    said = f"{args.get('compilation-config') or ''}".replace(" ", "").lower()
    none = '"cudagraph_mode":"none"' in said or '"cudagraph_mode":0' in said
    return args.flag("enforce-eager") or none or args.get("optimization-level") in (0, "0")


def _switch(args: Arguments, name: str) -> bool | None:
    value = args.get(name)
    return None if value is None else str(value).lower() not in ("0", "false", "")


def _weight_bytes(args: Arguments) -> int:
    return 4 if args.text("dtype", "auto") in ("float32", "float") else 2


def _runtime_bytes(args: Arguments) -> float | None:
    said = args.text("quantization", "")
    if said == "bitsandbytes":
        return 0.5 + 4 / 64
    return _RUNTIME_BYTES.get(said)


def _expert_padding(architecture: Architecture, era: Era, accelerator: Accelerator, size: int) -> float:
    """Of MXFP4 experts: Marlin's rounding of both dimensions, or one where Triton's kernels run."""
    quantization, experts = architecture.quantization, architecture.experts
    if experts is None or quantization is None or "mxfp4" not in quantization.method:
        return 1.0
    width, hidden = -(-experts.intermediate // size), architecture.hidden
    wider = -(-hidden // _MARLIN_HIDDEN) * _MARLIN_HIDDEN / hidden
    if era.rocm or (
        accelerator.name.startswith(("H100", "H200", "GH200", "H20")) and (0, 10, 2) <= era.release < (0, 17)
    ):
        return wider
    return wider * (-(-width // _MARLIN_WIDTH) * _MARLIN_WIDTH / width)


def _default_block(architecture: Architecture, era: Era) -> int:
    if architecture.latent and era.generation is Generation.V1 and not era.rocm and era.release >= (0, 20, 2):
        return 64
    return _DEFAULT_BLOCK


def _chunks_prefill(args: Arguments, architecture: Architecture, era: Era, length: int) -> bool:
    said = args.get("enable-chunked-prefill")
    if isinstance(said, bool):
        return said
    if era.generation is Generation.V1:
        return architecture.has_head or era.release >= (0, 11)
    return length > LONG_CONTEXT and not (
        architecture.is_multimodal or architecture.latent or architecture.sliding_window
    )


def _caches_prefixes(args: Arguments, architecture: Architecture, era: Era) -> bool:
    """Hybrids with a state cache prefixes by themselves only from 0.26."""
    for flag, value in (("enable-prefix-caching", True), ("no-enable-prefix-caching", False)):
        if isinstance(args.get(flag), bool):
            return value is args.flag(flag)
    return era.caches_hybrid_prefixes if architecture.has_state else era.generation is Generation.V1


def _cache_dtype(args: Arguments, architecture: Architecture) -> str:
    said = args.text("kv-cache-dtype", "auto")
    scheme = architecture.quantization.kv_cache_dtype if architecture.quantization else None
    return scheme or said if said == "auto" else said


def _image_limit(args: Arguments) -> int | None:
    said = str(args.get("limit-mm-per-prompt") or "")
    match = re.search(r"image\W{0,4}(\d+)", said)
    return int(match[1]) if match else None


def _sorts(args: Arguments) -> bool | None:
    said = args.text("sampler", "")
    if not said:
        return None
    return said != "flashinfer"


def batch(
    args: Arguments, architecture: Architecture, era: Era, accelerator: Accelerator, length: int
) -> tuple[int, int]:
    """Tokens and sequences of one batch, with that largest length."""
    chunked = _chunks_prefill(args, architecture, era, length)
    if era.generation is Generation.V0:
        tokens = era.chunk_tokens if chunked else max(length, 2048)
        if architecture.is_multimodal and not architecture.cross_attention:
            tokens = max(tokens, _V0_MULTIMODAL_TOKENS)
        tokens = _count(args, "max-num-batched-tokens", tokens)
        return tokens, _count(args, "max-num-seqs", _V0_SEQUENCES)
    tokens, sequences = default_batch(era, accelerator)
    sequences = _count(args, "max-num-seqs", sequences)
    if not chunked:
        tokens = max(tokens, length)
    tokens = _count(args, "max-num-batched-tokens", min(tokens, sequences * length))
    return tokens, _count(args, "max-num-seqs", min(sequences, tokens))
