"""The demo fleet's estimates: a real placement on vLLM 0.9.0 and eight MI300X."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleet.estimate import Estimate, Outcome, Reason
from fleet.estimate.estimating import estimate
from fleet.hardware import accelerator
from fleet.inventory.loading import load
from fleet.model import Scalar, Version
from fleet.units import GiB

DEMO = load(Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml")
MI300X = accelerator("MI300X")


def reckoned(name: str, version: str | None = None, **args: Scalar) -> Estimate:
    model = DEMO.model(name)
    for flag, value in args.items():
        model = replace(model, args=model.args.replace(flag.replace("_", "-"), value))
    return estimate(model, MI300X, version=Version(version) if version else None)


def test_the_small_chat_model_has_a_pool_of_79_gib_for_650_thousand_tokens() -> None:
    found = reckoned("llama-3.1-8b")
    assert found.shares[0].kv_cache_bytes / GiB == pytest.approx(79, abs=0.5)
    assert found.kv_cache_tokens == pytest.approx(650_000, rel=0.005)
    assert (found.outcome, found.longest_length) == (Outcome.STARTED, 131_072)


def test_the_large_chat_model_holds_one_sequence_and_a_third() -> None:
    found = reckoned("llama-3.3-70b")
    assert found.shares[0].weights_bytes / GiB == pytest.approx(131.5, abs=0.5)
    assert found.shares[0].kv_cache_bytes / GiB == pytest.approx(53, abs=0.5)
    assert found.kv_cache_tokens == pytest.approx(173_000, rel=0.005)
    assert found.max_concurrency == pytest.approx(1.32, abs=0.01)


def test_the_large_chat_model_is_refused_with_a_smaller_share() -> None:
    found = reckoned("llama-3.3-70b", gpu_memory_utilization=0.85)
    assert found.outcome is Outcome.REFUSED
    assert found.kv_cache_tokens == pytest.approx(97_000, rel=0.01)
    assert found.refusal is not None and found.refusal.reason is Reason.SEQUENCE_TOO_LONG
    assert f"larger than the maximum number of tokens that can be stored in KV cache ({found.kv_cache_tokens})" in (
        found.refusal.sentence
    )
    assert found.longest_length == found.kv_cache_tokens


def test_a_third_of_the_gpu_is_a_little_short_for_a_32b_model() -> None:
    short = reckoned("qwen3-32b", gpu_memory_utilization=0.37, max_model_len=40_960)
    assert short.outcome is Outcome.REFUSED
    assert short.kv_cache_tokens == pytest.approx(33_000, rel=0.03)
    enough = reckoned("qwen3-32b", gpu_memory_utilization=0.39, max_model_len=40_960)
    assert enough.outcome is Outcome.STARTED


def test_a_length_at_which_v0_stops_chunking_fits_less() -> None:
    found = reckoned("qwen3-32b", gpu_memory_utilization=0.37, max_model_len=40_960)
    assert found.longest_length is not None and found.kv_cache_tokens is not None
    assert found.longest_length < found.kv_cache_tokens < 32_768


def test_gemma_starts_only_with_a_length() -> None:
    assert reckoned("gemma-3-27b").outcome is Outcome.STARTED
    without = reckoned("gemma-3-27b", max_model_len=None)
    assert without.refusal is not None and without.refusal.reason is Reason.SEQUENCE_TOO_LONG


def test_the_quantised_model_takes_24_gb_of_weights() -> None:
    assert reckoned("mistral-small-24b").shares[0].weights_bytes == pytest.approx(24.9e9, rel=0.02)


def test_the_very_large_model_fills_its_three_gpus_unequally() -> None:
    bars = [share.total_bytes / GiB for share in reckoned("mai-ds-r1").shares]
    assert bars == pytest.approx([117, 135, 123], rel=0.015)


def test_a_model_larger_than_its_gpu_runs_out_while_loading() -> None:
    found = reckoned("qwen3-235b")
    assert found.outcome is Outcome.OOM
    assert found.refusal is not None and found.refusal.sentence.startswith("HIP out of memory. Tried to allocate ")


def test_declared_memory_is_taken_as_it_is() -> None:
    (share,) = reckoned("kb-whisper-large").shares
    assert share.total_bytes == share.resident_bytes == share.low_bytes == 1_500_000_000
    assert share.high_bytes == 1_500_000_000 + MI300X.context_bytes


@pytest.mark.parametrize("version", ["0.9.0", "0.9.2", "0.19.1", "0.33.0"])
def test_an_engine_with_a_budget_stays_in_it_but_for_what_lies_outside(version: str) -> None:
    for model in DEMO.placed:
        if model.engine.name != "vllm":
            continue
        found = reckoned(model.name, version)
        (share,) = found.shares
        assert found.budget_bytes is not None
        outside = share.total_bytes - found.budget_bytes
        graphs = share.graphs_bytes if version != "0.33.0" else 0
        assert outside == pytest.approx(MI300X.context_bytes + graphs, abs=2**24)
        assert share.low_bytes <= share.total_bytes <= share.high_bytes


def test_the_budget_is_what_the_newest_version_wants_free() -> None:
    found = reckoned("devstral-small", "0.33.0")
    assert found.needs_free_bytes == found.budget_bytes == MI300X.total_bytes // 2
    assert reckoned("devstral-small").needs_free_bytes is None
