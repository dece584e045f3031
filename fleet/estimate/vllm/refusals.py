"""vLLM's refusals in its own words, by version. The one table of them.

The functions below fill in the numbers, sizes in GiB as the version rounds them: before 0.14 always with two
decimals, from then on without trailing zeros.
"""

from __future__ import annotations

from fleet.estimate import Reason, Refusal
from fleet.estimate.vllm.versions import Era, Generation
from fleet.units import GiB, MiB

Wordings = tuple[tuple[tuple[int, ...], str], ...]
"""(first release that says so, sentence), newest first."""

_HELP = " See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
_NEEDED = (
    "To serve at least one request with the {models} max seq len ({length}), ({needed} {unit} KV cache is needed, "
    "which is larger than the available KV cache memory ({available} {unit}). "
)
_TRY = "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
_TRY_CPU = (
    "Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or decreasing "
    "`max_model_len` when initializing the engine."
)
_BASED = "Based on the available memory, {longest} "

_TOO_LONG_V0 = (
    "The model's max seq len ({length}) is larger than the maximum number of tokens that can be stored in KV cache "
    "({tokens}). " + _TRY
)
_TOO_LONG_V1: Wordings = (
    ((0, 22), _NEEDED + _BASED + _TRY_CPU + _HELP),
    ((0, 13), _NEEDED + _BASED + _TRY + _HELP),
    ((0, 8, 5), _NEEDED + _BASED + _TRY),
    ((0, 0), _NEEDED + _TRY),
)
_NO_CACHE: Wordings = (
    (
        (0, 22),
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the "
        "engine (this flag also controls CPU memory reservation on the CPU backend, despite its name)." + _HELP,
    ),
    (
        (0, 0),
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the "
        "engine.",
    ),
)
_NOT_FREE: Wordings = (
    (
        (0, 14),
        "Free memory on device cuda:{rank} ({free}/{total} GiB) on startup is less than desired GPU memory "
        "utilization ({utilization}, {requested} GiB). Decrease GPU memory utilization or reduce GPU memory used by "
        "other processes.",
    ),
    (
        (0, 0),
        "Free memory on device ({free}/{total} GiB) on startup is less than desired GPU memory utilization "
        "({utilization}, {requested} GiB). Decrease GPU memory utilization or reduce GPU memory used by other "
        "processes.",
    ),
)
_OUT_OF_MEMORY = (
    "{platform} out of memory. Tried to allocate {tried}. GPU {rank} has a total capacity of {total} of which {free} "
    "is free."
)
_WARM_UP = (
    "{platform} out of memory occurred when warming up sampler with {sequences} dummy requests. Please try lowering "
    "`max_num_seqs` or `gpu_memory_utilization` when initializing the engine."
)
_HEADS = "Total number of attention heads ({heads}) must be divisible by tensor parallel size ({size})."
_INDIVISIBLE = "{number} is not divisible by {size}"
_CONTEXT_GROUPS = "tp_size={size} must be divisible by dcp_size={groups}."
_NO_EXPERTS = "Number of experts in the model must be greater than 0 when expert parallelism is enabled."
_BRAIN_FLOAT = (
    "Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your {name} GPU has compute "
    "capability {capability}. You can use float16 instead by explicitly setting the `dtype` flag in CLI, for example: "
    "--dtype=half."
)
_HALF_UNSTABLE = (
    "The model type '{kind}' does not support float16. Reason: Numerical instability. Please use bfloat16 or float32 "
    "instead."
)
_PACKED_PARALLEL = (
    "Prequant BitsAndBytes models with tensor parallelism is not supported. Please try with pipeline parallelism."
)
_STAGES = "Pipeline parallel size ({size}) is larger than the number of layers ({layers})."
_WORLD = (
    "World size ({world}) is larger than the number of available GPUs ({gpus}) in this node. If this is intentional "
    "and you are using:\n- ray, set '--distributed-executor-backend ray'.\n- multiprocessing, set '--nnodes' "
    "appropriately."
)
_BEYOND_MODEL = (
    "User-specified max_model_len ({length}) is greater than the derived max_model_len "
    "(max_position_embeddings={positions} or model_max_length=None in model's config.json). To allow overriding this "
    "maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1."
)
_BATCH_SHORT = (
    "max_num_batched_tokens ({tokens}) is smaller than max_model_len ({length}). This effectively limits the maximum "
    "sequence length to max_num_batched_tokens and makes vLLM reject longer sequences. Please increase "
    "max_num_batched_tokens or decrease max_model_len."
)
_FEW_STATES = (
    "max_num_seqs ({sequences}) exceeds available Mamba cache blocks ({blocks}). Each decode sequence requires one "
    "Mamba cache block, so CUDA graph capture cannot proceed. Please lower max_num_seqs to at most {blocks} or "
    "increase gpu_memory_utilization."
)
_BATCH_NARROW = "max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs ({sequences})."


def sequence_too_long(
    era: Era, *, length: int, tokens: int, needed: int, available: int, longest: int | None
) -> Refusal:
    """The cache does not hold one sequence of the largest length. Sizes in bytes, lengths in tokens."""
    if era.generation is Generation.V0:
        return Refusal(Reason.SEQUENCE_TOO_LONG, _TOO_LONG_V0.format(length=length, tokens=tokens))
    # 0.8.5 to 0.9.0 lose the estimate and keep its lead-in (kv_cache_utils.py)
    known = longest and era.release >= (0, 9, 1)
    sentence = _wording(_TOO_LONG_V1, era).format(
        models="model's" if era.release >= (0, 22) else "models's",
        length=length,
        needed=_gib(needed, era),
        available=_gib(available, era),
        unit="GiB" if era.release >= (0, 8, 5) else "GB",
        longest=f"the estimated maximum model length is {longest}." if known else "",
    )
    return Refusal(Reason.SEQUENCE_TOO_LONG, sentence)


def no_cache_memory(era: Era) -> Refusal:
    """Weights and the profile run leave nothing of the budget for the cache."""
    return Refusal(Reason.NO_CACHE_MEMORY, _wording(_NO_CACHE, era))


def not_enough_free(era: Era, *, rank: int, free: int, total: int, utilization: float, requested: int) -> Refusal:
    """Less is free than the budget when the engine looks. Sizes in bytes."""
    sentence = _wording(_NOT_FREE, era).format(
        rank=rank,
        free=round(free / GiB, 2),
        total=round(total / GiB, 2),
        utilization=utilization,
        requested=round(requested / GiB, 2),
    )
    return Refusal(Reason.NOT_ENOUGH_FREE, sentence)


def too_few_states(sequences: int, blocks: int) -> Refusal:
    """Fewer recurrent states fit than sequences may run, while graphs want one for each."""
    return Refusal(Reason.NO_CACHE_MEMORY, _FEW_STATES.format(sequences=sequences, blocks=blocks))


def out_of_memory(era: Era, *, rank: int, tried: int, free: int, total: int) -> Refusal:
    """The GPU itself runs out while loading or profiling: PyTorch's words, whose sizes depend on the moment."""
    sentence = _OUT_OF_MEMORY.format(
        platform="HIP" if era.rocm else "CUDA", rank=rank, tried=_size(tried), free=_size(free), total=_size(total)
    )
    return Refusal(Reason.OUT_OF_MEMORY, sentence)


def no_room_to_warm_up(era: Era, sequences: int) -> Refusal:
    """The cache is allocated and graphs are captured, and then the sampler finds no room for its largest batch."""
    platform = "HIP" if era.rocm else "CUDA"
    return Refusal(Reason.OUT_OF_MEMORY, _WARM_UP.format(platform=platform, sequences=sequences))


def _size(size: int) -> str:
    """As PyTorch writes it."""
    return f"{size / GiB:.2f} GiB" if size >= GiB else f"{size / MiB:.2f} MiB"


def heads_not_divisible(heads: int, size: int) -> Refusal:
    """Attention heads that do not split over the tensor parallel group."""
    return Refusal(Reason.PARALLELISM, _HEADS.format(heads=heads, size=size))


def indivisible(number: int, size: int) -> Refusal:
    """A vocabulary, an MLP or an expert that does not split over the group (distributed/utils.py)."""
    return Refusal(Reason.PARALLELISM, _INDIVISIBLE.format(number=number, size=size))


def context_groups(size: int, groups: int) -> Refusal:
    """A tensor parallel group that does not split into groups that share a sequence's cache."""
    return Refusal(Reason.PARALLELISM, _CONTEXT_GROUPS.format(size=size, groups=groups))


def no_experts() -> Refusal:
    """Expert parallelism of a model without experts."""
    return Refusal(Reason.PARALLELISM, _NO_EXPERTS)


def packed_in_parallel() -> Refusal:
    """A checkpoint bitsandbytes has quantised already, over several GPUs."""
    return Refusal(Reason.PARALLELISM, _PACKED_PARALLEL)


def no_brain_float(name: str, capability: float) -> Refusal:
    """A type the GPU does not compute in."""
    return Refusal(Reason.CONFIGURATION, _BRAIN_FLOAT.format(name=name, capability=capability))


def half_unstable(kind: str) -> Refusal:
    """A type the model's numbers outgrow."""
    return Refusal(Reason.CONFIGURATION, _HALF_UNSTABLE.format(kind=kind))


def too_few_layers(layers: int, size: int) -> Refusal:
    """Pipeline stages that would have no layer; the sentence is ours, since vLLM only fails on it."""
    return Refusal(Reason.PARALLELISM, _STAGES.format(size=size, layers=layers))


def too_few_gpus(world: int, gpus: int) -> Refusal:
    """A larger parallel group than the place has GPUs."""
    return Refusal(Reason.PARALLELISM, _WORLD.format(world=world, gpus=gpus))


def longer_than_model(length: int, positions: int) -> Refusal:
    """A length beyond what the model was made for."""
    return Refusal(Reason.CONTEXT_LENGTH, _BEYOND_MODEL.format(length=length, positions=positions))


def batch_too_small(*, tokens: int, length: int, sequences: int, chunked: bool) -> Refusal | None:
    """A batch that holds no whole sequence where prefill is not chunked, or not a token for each sequence."""
    if tokens < length and not chunked:
        return Refusal(Reason.CONFIGURATION, _BATCH_SHORT.format(tokens=tokens, length=length))
    if tokens < sequences:
        return Refusal(Reason.CONFIGURATION, _BATCH_NARROW.format(tokens=tokens, sequences=sequences))
    return None


def _wording(wordings: Wordings, era: Era) -> str:
    return next(sentence for since, sentence in wordings if era.release >= since)


def _gib(size: int, era: Era) -> str:
    value = size / GiB
    return str(round(value, 2)) if era.release >= (0, 14) else f"{value:.2f}"
