"""The entry point: places, neighbours, versions and what is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.architecture.catalogue import names
from fleet.estimate import Outcome, Reason
from fleet.estimate.estimating import charges_neighbours, estimate, free_at_start, utilization
from fleet.estimate.measured import End
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Scalar, Version
from fleet.units import GiB

MI300X, H100 = accelerator("MI300X"), accelerator("H100")


def llama(version: str = "0.19.0", place: str = "host/0", **args: Scalar) -> Model:
    flags = {flag.replace("_", "-"): value for flag, value in args.items()}
    return Model(
        "llama",
        Engine("vllm", Version(version)),
        "meta-llama/Llama-3.1-8B-Instruct",
        Place.parse(place),
        args=Arguments(flags),
    )


def test_an_estimate_has_a_share_for_every_gpu_of_the_place() -> None:
    found = estimate(llama(place="host/0-3", tensor_parallel_size=2), H100)
    assert [share.total_bytes > 0 for share in found.shares] == [True, True, False, False]
    assert found.shares[0] == found.shares[1]


def test_a_place_with_too_few_gpus_is_refused() -> None:
    found = estimate(llama(tensor_parallel_size=2), H100)
    assert found.refusal is not None and found.refusal.reason is Reason.PARALLELISM
    assert found.refusal.sentence.startswith("World size (2) is larger than the number of available GPUs (1)")


def test_heads_must_divide() -> None:
    found = estimate(llama(place="host/0-2", tensor_parallel_size=3), H100)
    assert found.refusal is not None
    assert (
        found.refusal.sentence == "Total number of attention heads (32) must be divisible by tensor parallel size (3)."
    )


def test_several_mistakes_get_one_refusal_the_first_the_engine_finds() -> None:
    found = estimate(llama(max_model_len=131_073, tensor_parallel_size=2), H100)
    assert found.refusal is not None and found.refusal.reason is Reason.CONTEXT_LENGTH


def test_a_length_beyond_the_model_is_refused() -> None:
    found = estimate(llama(max_model_len=131_073), H100)
    assert found.refusal is not None and found.refusal.reason is Reason.CONTEXT_LENGTH


def test_measured_sizes_of_the_gpus_overrule_the_accelerators() -> None:
    small = estimate(llama(), MI300X, totals=[100 * GiB])
    assert small.budget_bytes == -(-100 * GiB * 9 // 10)


def test_a_start_beside_others_is_refused_in_the_engines_words() -> None:
    model = llama(gpu_memory_utilization=0.5)
    alone = estimate(model, MI300X)
    beside = estimate(model, MI300X, others_bytes=[100 * GiB])
    free = free_at_start(MI300X, MI300X.total_bytes, 100 * GiB)
    assert alone.outcome is Outcome.STARTED
    assert beside.refusal is not None and beside.refusal.reason is Reason.NOT_ENOUGH_FREE
    assert f"({free / GiB:.2f}/191.98 GiB)" in beside.refusal.sentence


def test_a_version_without_the_check_runs_out_where_its_cache_does_not_fit() -> None:
    model = llama("0.9.0", gpu_memory_utilization=0.5)
    assert estimate(model, MI300X, others_bytes=[100 * GiB]).outcome is Outcome.OOM
    assert estimate(model, MI300X, others_bytes=[90 * GiB]).outcome is Outcome.STARTED


def test_a_version_that_charges_its_neighbours_has_less_cache_beside_them() -> None:
    model = llama("0.9.0", gpu_memory_utilization=0.8)
    assert charges_neighbours(model, H100) and not charges_neighbours(model, MI300X)
    alone, beside = estimate(model, H100), estimate(model, H100, others_bytes=[10 * GiB])
    difference = alone.shares[0].kv_cache_bytes - beside.shares[0].kv_cache_bytes
    assert difference == pytest.approx(10 * GiB, abs=2**22)


def test_a_version_asked_about_overrules_the_models_own() -> None:
    assert estimate(llama("0.9.0"), H100, version=Version("0.33.0")) == estimate(llama("0.33.0"), H100)


def test_an_unknown_version_is_said() -> None:
    model = replace(llama(), engine=Engine("vllm"))
    assert estimate(model, H100).notes == ("The version is not given; reckoned as vLLM 0.33.0.",)
    assert utilization(model, H100) == 0.92


def test_of_an_unknown_architecture_only_the_share_is_known() -> None:
    found = estimate(replace(llama(gpu_memory_utilization=0.5), source="nobody/nothing"), MI300X)
    assert found.basis == "budget" and found.outcome is Outcome.STARTED
    assert found.shares[0].total_bytes == found.budget_bytes + MI300X.context_bytes if found.budget_bytes else False
    assert "nobody/nothing" in found.notes[0]


def test_the_high_end_takes_more_and_holds_less() -> None:
    low, high = estimate(llama("0.9.0"), MI300X, end=End.LOW), estimate(llama("0.9.0"), MI300X, end=End.HIGH)
    central = estimate(llama("0.9.0"), MI300X)
    assert low.shares[0].total_bytes == central.shares[0].low_bytes
    assert high.shares[0].total_bytes == central.shares[0].high_bytes
    assert (high.kv_cache_tokens or 0) < (central.kv_cache_tokens or 0) < (low.kv_cache_tokens or 0)


def test_pipeline_stages_share_the_smallest_pool() -> None:
    found = estimate(llama(place="host/0-1", pipeline_parallel_size=2, gpu_memory_utilization=0.95), H100)
    first, last = found.shares
    assert first.weights_bytes < last.weights_bytes
    assert first.kv_cache_bytes == last.kv_cache_bytes
    assert first.activations_bytes < last.activations_bytes  # only the last has a head to sample from


def test_a_cache_of_given_size_is_not_profiled() -> None:
    found = estimate(llama("0.19.0", kv_cache_memory_bytes=20 * GiB), H100)
    assert found.shares[0].kv_cache_bytes == 20 * GiB


_WORDS = st.sampled_from(["", "32K", "auto", "fp8", "float32", "nvfp4", "-1", "nonsense"])
_NUMBERS = st.one_of(st.integers(-2, 2**20), st.floats(0, 2), _WORDS, st.none(), st.booleans())
_FLAGS = st.sampled_from(
    [
        "gpu-memory-utilization", "max-model-len", "max-num-seqs", "max-num-batched-tokens", "tensor-parallel-size",
        "pipeline-parallel-size", "block-size", "kv-cache-dtype", "dtype", "enforce-eager", "enable-chunked-prefill",
        "kv-cache-memory-bytes",
    ]
)  # fmt: skip


@given(
    args=st.dictionaries(_FLAGS, _NUMBERS, max_size=4),
    version=st.sampled_from(["0.5.5", "0.6.4", "0.9.0", "0.9.2", "0.17.1", "0.33.0"]),
    source=st.sampled_from(names()),
    end=st.sampled_from([None, *End]),
)
def test_whatever_is_asked_gets_an_answer(args: dict[str, Scalar], version: str, source: str, end: End | None) -> None:
    model = replace(llama(version, place="host/0-3"), source=source, args=Arguments(args))
    for card in (MI300X, H100):
        found = estimate(model, card, end=end)
        assert len(found.shares) == 4
        assert all(share.kv_cache_bytes >= 0 and share.low_bytes <= share.high_bytes for share in found.shares)
        assert (found.refusal is None) == (found.outcome is Outcome.STARTED)
