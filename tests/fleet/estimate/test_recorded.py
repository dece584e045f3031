"""Estimates against start-ups other people recorded and published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from fleet.architecture.config import from_config
from fleet.estimate import Estimate, Outcome
from fleet.estimate.estimating import estimate
from fleet.estimate.measured import End
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Scalar, Version
from fleet.units import GiB

_LLAMA: dict[str, Any] = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip
_QWEN3: dict[str, Any] = {**_LLAMA, "model_type": "qwen3", "head_dim": 128, "vocab_size": 151936}
SHAPES: dict[str, dict[str, Any]] = {
    "Llama-3.1-8B": _LLAMA,
    "Llama-3-8B": {**_LLAMA, "max_position_embeddings": 8192},
    "Llama-2-7B": {**_LLAMA, "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 32000},
    "Qwen3-8B": {**_QWEN3, "num_hidden_layers": 36, "intermediate_size": 12288},
    "Qwen3-14B": {
        **_QWEN3, "num_hidden_layers": 40, "hidden_size": 5120, "num_attention_heads": 40, "intermediate_size": 17408,
    },
    "Qwen3-32B": {
        **_QWEN3, "num_hidden_layers": 64, "hidden_size": 5120, "num_attention_heads": 64, "intermediate_size": 25600,
        "max_position_embeddings": 40960,
    },
    "Seed-OSS-36B": {
        **_LLAMA, "model_type": "seed_oss", "num_hidden_layers": 64, "hidden_size": 5120, "num_attention_heads": 80,
        "head_dim": 128, "intermediate_size": 27648, "vocab_size": 155136, "max_position_embeddings": 524288,
    },
    "Gemma-2-27B": {
        "model_type": "gemma2", "num_hidden_layers": 46, "hidden_size": 4608, "num_attention_heads": 32,
        "num_key_value_heads": 16, "head_dim": 128, "intermediate_size": 36864, "vocab_size": 256000,
        "max_position_embeddings": 8192, "sliding_window": 4096, "sliding_window_pattern": 2,
    },
    "Mixtral-8x7B": {
        **_LLAMA, "model_type": "mixtral", "vocab_size": 32000, "max_position_embeddings": 32768,
        "num_local_experts": 8, "num_experts_per_tok": 2,
    },
    "DeepSeek-V2-Lite": {
        "model_type": "deepseek_v2", "num_hidden_layers": 27, "hidden_size": 2048, "num_attention_heads": 16,
        "intermediate_size": 10944, "vocab_size": 102400, "max_position_embeddings": 163840, "kv_lora_rank": 512,
        "q_lora_rank": None, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
        "n_routed_experts": 64, "num_experts_per_tok": 6, "moe_intermediate_size": 1408, "n_shared_experts": 2,
        "first_k_dense_replace": 1,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """One start-up: how it was started and what the engine printed. Sizes in GiB."""

    source: str
    shape: str
    gpu: str
    version: str
    args: dict[str, Scalar]
    weights: float | None = None
    activations: float | None = None
    cache: float | None = None
    tokens: int | None = None
    outcome: Outcome = Outcome.STARTED
    gpus: int = 1


_PLANNER = "llm-d-incubation/llm-d-planner pull request 205, vLLM 0.19 on H100"
_SWEEP = "llm-d-incubation/llm-d-planner pull request 205, version sweep"
_EMPIRICAL = "llm-d-incubation/llm-d-planner docs/empirical-vllm-memory-results.md"
_MI300X = "cmontemuino/amd-mi300x-ml-benchmarks sample-results/logs, 2025-08-07"
_TESTING = "AUGMXNT/MI300-testing, commit 032bd4d, October 2024"
_TIARA = "public run log of an MI300X, September 2026 (vLLM 0.19.1 and 0.28.0, start-up lines)"
_WHOLE: dict[str, Scalar] = {"enable-chunked-prefill": False}

CASES = [
    # MI300X, V0. The first two ran 0.9.2dev with VLLM_USE_V1=0, which is what 0.9.1 does by default.
    Recorded(_MI300X, "Llama-3.1-8B", "MI300X", "0.9.1", {"gpu-memory-utilization": 0.8, **_WHOLE},
             15.3047, 14.63, 122.99, 62_971 * 16),
    Recorded(_MI300X, "Llama-3.1-8B", "MI300X", "0.9.1", {"gpu-memory-utilization": 0.9, **_WHOLE},
             15.3047, 14.63, 142.19, 72_800 * 16),
    Recorded(_TESTING, "Llama-3-8B", "MI300X", "0.6.4", {}, 14.9595, tokens=78_921 * 16),
    Recorded(_TESTING, "Llama-2-7B", "MI300X", "0.6.4",
             {"tensor-parallel-size": 8, "max-model-len": 4096, "dtype": "float16", **_WHOLE},
             tokens=167_700 * 16, gpus=8),
    # MI300X, V1
    Recorded(_TIARA, "Llama-3.1-8B", "MI300X", "0.19.1", {"gpu-memory-utilization": 0.9}, tokens=1_271_696),
    Recorded(_TIARA, "Llama-3.1-8B", "MI300X", "0.28.0",
             {"gpu-memory-utilization": 0.9, "max-model-len": 129_536}, cache=154.73, tokens=1_267_504),
    Recorded(_TIARA, "Llama-3.1-8B", "MI300X", "0.28.0",
             {"gpu-memory-utilization": 0.9, "max-model-len": 129_536, "kv-cache-dtype": "int4_per_token_head"},
             cache=154.73, tokens=4_771_792),
    Recorded(_TIARA, "Seed-OSS-36B", "MI300X", "0.28.0",
             {"gpu-memory-utilization": 0.9, "max-model-len": 475_676}, 67.46, cache=100.99,
             outcome=Outcome.REFUSED),
    # H100, V1, through three sampler eras
    Recorded(_EMPIRICAL, "Llama-3.1-8B", "H100", "0.11.0", {"max-model-len": 16_000}, 14.99, 4.76, 51.38),
    Recorded(_EMPIRICAL, "Qwen3-32B", "H100", "0.11.0", {"max-model-len": 32_000}, 61.03, 5.64,
             outcome=Outcome.REFUSED),
    Recorded(_SWEEP, "Qwen3-14B", "H100", "0.15.0", {"gpu-memory-utilization": 0.95, "max-model-len": 8192},
             27.52, 5.64, 41.94, 274_848),
    Recorded(_SWEEP, "Qwen3-14B", "H100", "0.17.0", {"gpu-memory-utilization": 0.95, "max-model-len": 8192},
             27.52, 2.23, 45.34, 297_152),
    Recorded(_PLANNER, "Llama-3.1-8B", "H100", "0.19.0", {"gpu-memory-utilization": 0.95, "max-model-len": 8192},
             14.99, 1.89, 58.11, 476_016),
    Recorded(_PLANNER, "Llama-3.1-8B", "H100", "0.19.0",
             {"gpu-memory-utilization": 0.95, "max-model-len": 8192, "tensor-parallel-size": 4},
             3.77, 1.89, 67.44, 2_209_792, gpus=4),
    Recorded(_PLANNER, "Llama-3.1-8B", "H100", "0.19.0",
             {"gpu-memory-utilization": 0.95, "max-model-len": 8192, "kv-cache-dtype": "fp8"},
             14.99, 1.89, 58.11, 952_032),
    Recorded(_PLANNER, "Qwen3-8B", "H100", "0.19.0", {"gpu-memory-utilization": 0.95, "max-model-len": 8192},
             15.27, 2.21, 57.50, 418_688),
    Recorded(_PLANNER, "Gemma-2-27B", "H100", "0.19.0", {"gpu-memory-utilization": 0.95, "max-model-len": 8192},
             50.72, 3.66, 20.59, 58_672),
    Recorded(_PLANNER, "Mixtral-8x7B", "H100", "0.19.0",
             {"gpu-memory-utilization": 0.95, "max-model-len": 8192, "tensor-parallel-size": 2},
             43.51, 1.21, 28.44, 465_936, gpus=2),
    Recorded(_PLANNER, "DeepSeek-V2-Lite", "H100", "0.19.0",
             {"gpu-memory-utilization": 0.95, "max-model-len": 8192}, 29.43, 1.93, 43.61, 1_505_552),
]  # fmt: skip


def _name(case: Recorded) -> str:
    return f"{case.shape} {case.gpu} {case.version}"


def reckoned(case: Recorded, end: End | None = None) -> Estimate:
    model = Model(
        name="recorded",
        engine=Engine("vllm", Version(case.version)),
        source=case.shape,
        place=Place("host", tuple(range(case.gpus))),
        args=Arguments({"gpu-memory-utilization": 0.9, **case.args}),
    )
    architecture = from_config(case.shape, SHAPES[case.shape])
    return estimate(model, accelerator(case.gpu), architecture=architecture, end=end)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_an_estimate_agrees_with_what_the_engine_printed(case: Recorded) -> None:
    found = reckoned(case)
    share = found.shares[0]
    assert found.outcome is case.outcome
    if case.weights is not None:
        assert share.weights_bytes / GiB == pytest.approx(case.weights, rel=0.006)
    if case.activations is not None:
        assert share.activations_bytes / GiB == pytest.approx(case.activations, abs=0.11)
    if case.cache is not None:
        assert share.kv_cache_bytes / GiB == pytest.approx(case.cache, rel=0.004, abs=0.05)
    if case.tokens is not None:
        assert found.kv_cache_tokens == pytest.approx(case.tokens, rel=0.004)


@pytest.mark.parametrize("case", [case for case in CASES if case.tokens], ids=_name)
def test_the_tokens_printed_lie_between_the_two_ends(case: Recorded) -> None:
    least, most = reckoned(case, End.HIGH).kv_cache_tokens, reckoned(case, End.LOW).kv_cache_tokens
    assert least is not None and most is not None and case.tokens is not None
    assert least * 0.999 <= case.tokens <= most * 1.001
