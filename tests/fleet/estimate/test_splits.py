"""Starts that end before a GPU is touched, in the engine's own words."""

from __future__ import annotations

import pytest

from fleet.estimate import Estimate, Outcome
from fleet.estimate.estimating import estimate
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar, Version


def started(source: str, gpus: int = 1, gpu: str = "H100", version: str = "0.19.0", **args: Scalar) -> Estimate:
    """How that start ends."""
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    kind = accelerator(gpu)
    model = Model("m", Engine("vllm", Version(version)), source=source, args=flags)
    return estimate(model, kind, totals=(kind.total_bytes,) * gpus)


@pytest.mark.parametrize(
    ("source", "gpus", "args", "sentence"),
    [
        (
            "Qwen/Qwen3-8B",
            3,
            {"tensor_parallel_size": 3},
            "Total number of attention heads (32) must be divisible by tensor parallel size (3).",
        ),
        ("Qwen/Qwen3-14B", 5, {"tensor_parallel_size": 5}, "151936 is not divisible by 5"),
        (
            "meta-llama/Llama-3.3-70B-Instruct",
            8,
            {"tensor_parallel_size": 8, "decode_context_parallel_size": 3},
            "tp_size=8 must be divisible by dcp_size=3.",
        ),
        (
            "Qwen/Qwen3-8B",
            2,
            {"tensor_parallel_size": 2, "enable_expert_parallel": True},
            "Number of experts in the model must be greater than 0 when expert parallelism is enabled.",
        ),
        (
            "unsloth/phi-4-bnb-4bit",
            2,
            {"tensor_parallel_size": 2},
            "Prequant BitsAndBytes models with tensor parallelism is not supported. Please try with pipeline "
            "parallelism.",
        ),
        (
            "google/gemma-3-27b-it",
            1,
            {"dtype": "float16"},
            "The model type 'gemma3_text' does not support float16. Reason: Numerical instability. Please use "
            "bfloat16 or float32 instead.",
        ),
    ],
)
def test_a_start_that_cannot_be_split_or_typed_so_is_refused(
    source: str, gpus: int, args: dict[str, Scalar], sentence: str
) -> None:
    found = started(source, gpus, "H100", "0.19.0", **args)
    assert found.outcome is Outcome.REFUSED
    assert found.refusal is not None and found.refusal.sentence == sentence


def test_bfloat16_needs_a_gpu_that_computes_in_it() -> None:
    refused = started("Qwen/Qwen2.5-0.5B", gpu="T4", dtype="bfloat16")
    assert refused.refusal is not None
    assert "Your T4 GPU has compute capability 7.5" in refused.refusal.sentence
    assert started("Qwen/Qwen2.5-0.5B", gpu="T4", dtype="float16").outcome is Outcome.STARTED


def test_a_length_left_to_the_engine_is_lowered_to_what_fits() -> None:
    refused = started("meta-llama/Llama-3.1-8B-Instruct", gpu="L4", gpu_memory_utilization=0.95)
    fitted = started("meta-llama/Llama-3.1-8B-Instruct", gpu="L4", gpu_memory_utilization=0.95, max_model_len="auto")
    assert refused.outcome is Outcome.REFUSED and fitted.outcome is Outcome.STARTED
    assert fitted.max_model_len is not None and fitted.max_model_len < 131_072
    assert refused.refusal is not None
    assert f"maximum model length is {fitted.max_model_len}." in refused.refusal.sentence


def test_a_cache_of_a_given_size_is_neither_measured_nor_shared() -> None:
    given = started("Qwen/Qwen3-8B", gpu="H200", version="0.28.0", kv_cache_memory_bytes="20G")
    assert given.shares[0].kv_cache_bytes == pytest.approx(20 * 2**30, rel=0.001)
    counted = started("Qwen/Qwen3-8B", gpu="H200", version="0.28.0", num_gpu_blocks_override=1000)
    assert counted.kv_cache_blocks == 1000


def test_weights_left_in_the_hosts_memory_are_not_on_the_gpu() -> None:
    whole, partly = started("Qwen/Qwen3-8B"), started("Qwen/Qwen3-8B", cpu_offload_gb=4)
    assert whole.shares[0].weights_bytes - partly.shares[0].weights_bytes == 4 * 2**30


def test_without_graphs_the_cache_gets_what_they_would_take() -> None:
    usual, eager = (started("Qwen/Qwen3-8B", version="0.28.0", enforce_eager=eager) for eager in (False, True))
    assert eager.shares[0].graphs_bytes == 0 < usual.shares[0].graphs_bytes
    assert (eager.kv_cache_tokens or 0) > (usual.kv_cache_tokens or 0)


def test_states_of_a_hybrid_bound_the_sequences_that_may_run() -> None:
    small, large = (
        started(
            "Qwen/Qwen3-Next-80B-A3B-Instruct",
            2,
            "H200",
            "0.28.0",
            tensor_parallel_size=2,
            max_model_len=8192,
            kv_cache_memory_bytes=size,
        )
        for size in ("4G", "32G")
    )
    assert large.outcome is Outcome.STARTED and (large.kv_cache_blocks or 0) >= 1024
    assert small.refusal is not None
    assert small.refusal.sentence.startswith(
        f"max_num_seqs (1024) exceeds available Mamba cache blocks ({small.kv_cache_blocks}). "
    )


def test_experts_spread_whole_over_the_gpus_take_as_much_as_split_ones() -> None:
    split, spread = (
        started("Qwen/Qwen3-30B-A3B", 2, tensor_parallel_size=2, enable_expert_parallel=whole)
        for whole in (False, True)
    )
    assert spread.shares[0].weights_bytes == pytest.approx(split.shares[0].weights_bytes, rel=0.001)
