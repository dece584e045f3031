"""What each demo model really takes: recorded from engines' own start-up lines or, where nobody recorded one,
worked out once from the published layer shapes. Nothing here comes from `fleet.estimate`; the demo shows how
well that foretells it.

Llama-3.1-8B on an MI300X under vLLM's V0 engine prints 15.3047 GiB of weights and 0.66 GiB beside them; under
ROCm the V0 engine counts 0.3 to 0.4 GiB of load-time memory with every model's weights, and its graphs take
about 0.022 GiB a layer, outside its budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.units import GiB


def _gib(value: float) -> int:
    return round(value * GiB)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests a model gets when all is well, as means."""

    requests: float
    """At work at one time."""
    tokens: int
    """In the cache for each of them."""
    tokens_per_second: float
    """Generated for each of them."""
    busy: float
    """Share of its GPUs' time they take, 0..1."""
    request_seconds: float = 0.0
    """How long one takes where nothing is generated."""


@dataclass(frozen=True, slots=True)
class VllmTruth:
    """A model under vLLM, on one GPU and in bfloat16 unless its checkpoint is quantised. Sizes in bytes."""

    weights: int
    """As the engine's load takes them, rope caches and load-time memory with them."""
    replicated: int
    """The part of them every rank of a tensor-parallel group holds."""
    non_torch: int
    """What the engine finds beside its tensors after the profile run."""
    graphs: int
    kv_token: int
    """KV cache of one token, all layers."""
    heads: int
    kv_heads: int
    context_length: int
    residual_token: int
    """Peak of the forward pass for each batched token, outside the MLP."""
    mlp_token: int
    """The same inside the MLP; tensor parallelism divides it."""
    hidden_token: int
    """Hidden states kept for each batched token while sampling."""
    sampler_row: int
    """Peak of the sort-based sampler for each sequence."""
    load_seconds: float
    traffic: Traffic
    vision_token: int = 0
    """What the vision encoder adds to the peak for each batched token, the batch being full of images (2.25 GiB
    at 8,192 tokens for Gemma-3); the V0 engine does not chunk such a model's prefill."""


@dataclass(frozen=True, slots=True)
class LlamaTruth:
    """A GGUF under llama.cpp. Sizes in bytes."""

    layers: tuple[int, ...]
    """Weights of each layer."""
    output: int
    """The output layer, on the last GPU."""
    embedding: int
    """The token embedding, in host memory."""
    kv_token_layer: int
    """KV cache of one token in one layer, f16."""
    compute: int
    """Compute buffer on each GPU, at 512 tokens a batch."""
    context_length: int
    parameters: str
    load_seconds: float
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class PlainTruth:
    """A program that loads a model and keeps what it took."""

    program: tuple[str, ...]
    """The command line operators start it with; the port is added."""
    memory: int
    """Beside its context."""
    load_seconds: float
    traffic: Traffic


VLLM = {
    "meta-llama/Llama-3.1-8B-Instruct": VllmTruth(
        weights=_gib(15.3047), replicated=_gib(0.05), non_torch=_gib(0.66), graphs=_gib(0.70),
        kv_token=131_072, heads=32, kv_heads=8, context_length=131_072,
        residual_token=32_768, mlp_token=86_016, hidden_token=8_192, sampler_row=4_925_030,
        load_seconds=7, traffic=Traffic(24, 11_000, 46, 0.36),
    ),
    "agentica-org/DeepCoder-14B-Preview": VllmTruth(
        weights=_gib(27.87), replicated=_gib(0.06), non_torch=_gib(0.62), graphs=_gib(1.06),
        kv_token=196_608, heads=40, kv_heads=8, context_length=131_072,
        residual_token=40_960, mlp_token=82_944, hidden_token=10_240, sampler_row=5_839_258,
        load_seconds=11, traffic=Traffic(6, 9_000, 38, 0.30),
    ),
    "mistralai/Devstral-Small-2505": VllmTruth(
        weights=_gib(44.29), replicated=_gib(0.06), non_torch=_gib(0.64), graphs=_gib(0.88),
        kv_token=163_840, heads=32, kv_heads=8, context_length=131_072,
        residual_token=40_960, mlp_token=196_608, hidden_token=10_240, sampler_row=5_033_165,
        load_seconds=18, traffic=Traffic(5, 14_000, 21, 0.36),
    ),
    "meta-llama/Llama-3.3-70B-Instruct": VllmTruth(
        weights=_gib(131.74), replicated=_gib(0.06), non_torch=_gib(0.58), graphs=_gib(1.76),
        kv_token=327_680, heads=64, kv_heads=8, context_length=131_072,
        residual_token=65_536, mlp_token=172_032, hidden_token=16_384, sampler_row=4_925_030,
        load_seconds=56, traffic=Traffic(9, 8_500, 17, 0.82),
    ),
    "RedHatAI/Mistral-Small-24B-Instruct-2501-FP8-dynamic": VllmTruth(
        weights=_gib(23.55), replicated=_gib(0.06), non_torch=_gib(0.64), graphs=_gib(0.88),
        kv_token=163_840, heads=32, kv_heads=8, context_length=32_768,
        residual_token=40_960, mlp_token=196_608, hidden_token=10_240, sampler_row=5_033_165,
        load_seconds=10, traffic=Traffic(4, 6_000, 41, 0.14),
    ),
    "google/gemma-3-27b-it": VllmTruth(
        weights=_gib(52.04), replicated=_gib(0.62), non_torch=_gib(0.70), graphs=_gib(1.36),
        kv_token=507_904, heads=32, kv_heads=16, context_length=131_072,
        residual_token=43_008, mlp_token=129_024, hidden_token=10_752, sampler_row=10_068_787,
        load_seconds=22, traffic=Traffic(4, 5_000, 24, 0.22), vision_token=294_912,
    ),
    "Qwen/Qwen3-32B": VllmTruth(
        weights=_gib(61.31), replicated=_gib(0.06), non_torch=_gib(0.28), graphs=_gib(1.41),
        kv_token=262_144, heads=64, kv_heads=8, context_length=40_960,
        residual_token=40_960, mlp_token=153_600, hidden_token=10_240, sampler_row=5_834_342,
        load_seconds=26, traffic=Traffic(2, 4_000, 26, 0.20),
    ),
    "Qwen/Qwen3-235B-A22B": VllmTruth(
        weights=_gib(459.9), replicated=_gib(0.25), non_torch=_gib(0.71), graphs=_gib(2.07),
        kv_token=192_512, heads=64, kv_heads=4, context_length=40_960,
        residual_token=163_840, mlp_token=73_728, hidden_token=8_192, sampler_row=5_834_342,
        load_seconds=150, traffic=Traffic(2, 4_000, 31, 0.25),
    ),
}  # fmt: skip

_DENSE, _MIXTURE = _gib(0.34), _gib(6.40)
LLAMA = {
    "MAI-DS-R1-Q4_K_M.gguf": LlamaTruth(
        layers=(_DENSE,) * 3 + (_MIXTURE,) * 58, output=_gib(0.71), embedding=_gib(0.49),
        kv_token_layer=1_152, compute=_gib(0.36), context_length=163_840, parameters="671.03 B",
        load_seconds=85, traffic=Traffic(0.8, 9_000, 14, 0.34),
    ),
}  # fmt: skip

PLAIN = {
    "KBLab/kb-whisper-large": PlainTruth(
        ("/opt/whisper/bin/whisper-server", "--model", "KBLab/kb-whisper-large", "--device", "cuda"),
        _gib(1.87), 20, Traffic(1.2, 0, 0, 0.05, 6.0),
    ),
    "docling-serve": PlainTruth(
        ("/opt/docling/bin/docling-serve", "run"), _gib(0.72), 22, Traffic(0.6, 0, 0, 0.04, 20.0)
    ),
    "BAAI/bge-reranker-v2-m3": PlainTruth(
        ("/usr/local/bin/text-embeddings-router", "--model-id", "BAAI/bge-reranker-v2-m3"),
        _gib(2.53), 14, Traffic(2.5, 0, 0, 0.05, 0.11),
    ),
    "intfloat/multilingual-e5-large": PlainTruth(
        ("/usr/local/bin/text-embeddings-router", "--model-id", "intfloat/multilingual-e5-large"),
        _gib(1.13), 12, Traffic(3.0, 0, 0, 0.04, 0.035),
    ),
}  # fmt: skip
PROGRAM_OF = {
    "kb-whisper-large": PLAIN["KBLab/kb-whisper-large"].program,
    "docling": PLAIN["docling-serve"].program,
    "bge-reranker": PLAIN["BAAI/bge-reranker-v2-m3"].program,
    "multilingual-e5": PLAIN["intfloat/multilingual-e5-large"].program,
}
"""How the demo's operators start the models for which the fleet file names no source, by model name."""
