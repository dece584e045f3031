"""The most a model can have on its GPUs, and the least it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.estimate.fitting import (
    fit,
    largest,
    largest_share,
    longest_length,
    most_sequences,
    safe_lengths,
    safe_shares,
    smallest_share,
    stays,
)
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial, trial
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar
from fleet.units import GiB

LLAMA_8B, QWEN_235B = "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-235B-A22B"


def tried(source: str, gpu: str, engine: str = "vllm 0.19.0", others: int = 0, **args: Scalar) -> Trial:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return trial(Model(source, Engine.parse(engine), source, args=flags), accelerator(gpu), others_bytes=others)


CASES = [
    tried(LLAMA_8B, "L4"),
    tried(LLAMA_8B, "H100", max_model_len=32_768),
    tried(LLAMA_8B, "MI300X", "vllm 0.9.0", gpu_memory_utilization=0.3),
]


@pytest.mark.parametrize("asked", CASES)
def test_the_longest_length_starts_and_a_longer_one_does_not(asked: Trial) -> None:
    longest = longest_length(asked)
    assert longest is not None and asked.given({"max-model-len": longest}).starts()
    assert not asked.given({"max-model-len": longest + 16}).starts()


@pytest.mark.parametrize("asked", CASES[1:])
def test_the_cache_holds_the_most_sequences_and_not_one_more(asked: Trial) -> None:
    most = most_sequences(asked)
    assert most
    for sequences, holds in ((most, True), (most + 1, False)):
        held = asked.given({"max-num-seqs": sequences}).estimate(End.HIGH).max_concurrency
        assert held is not None and (held >= sequences) is holds


@pytest.mark.parametrize("asked", CASES[1:])
def test_the_smallest_share_starts_and_a_smaller_one_does_not(asked: Trial) -> None:
    share = smallest_share(asked)
    assert share is not None and asked.given({"gpu-memory-utilization": share}).starts()
    assert not asked.given({"gpu-memory-utilization": round(share - 0.01, 2)}).starts()


def test_no_share_is_enough_for_a_length_the_gpu_does_not_hold() -> None:
    assert smallest_share(CASES[0]) is None


def test_the_largest_share_is_what_others_leave() -> None:
    asked = tried(LLAMA_8B, "MI300X", others=100 * GiB)
    share = largest_share(asked)
    assert share is not None and share < 0.48 and asked.given({"gpu-memory-utilization": share}).starts()
    assert not asked.given({"gpu-memory-utilization": round(share + 0.01, 2)}).starts()


def test_beside_others_a_model_is_fitted_into_what_is_free() -> None:
    found = fit(tried(LLAMA_8B, "MI300X", others=100 * GiB))
    assert found.share == largest_share(tried(LLAMA_8B, "MI300X", others=100 * GiB))
    assert found.longest_length == found.length == 131_072 and found.most_sequences


def test_a_model_that_does_not_start_with_its_own_length_is_fitted_with_the_longest_that_does() -> None:
    found = fit(tried(LLAMA_8B, "L4"))
    assert found.length == found.longest_length and found.most_sequences == 1
    assert found.share is not None and found.smallest_share is not None and found.smallest_share <= found.share


def test_a_model_larger_than_the_gpu_fits_with_nothing() -> None:
    found = fit(tried(QWEN_235B, "L4"))
    assert (found.longest_length, found.most_sequences, found.smallest_share) == (None, None, None)


def test_engines_without_a_share_have_none() -> None:
    found = fit(tried("MAI-DS-R1-Q4_K_M.gguf", "MI300X", "llama.cpp"))
    assert (found.share, found.smallest_share, found.most_sequences) == (None, None, None)


@given(st.integers(-5, 60), st.integers(0, 50), st.integers(-10, 70))
def test_the_search_finds_the_last_number_that_holds(low: int, extent: int, last: int) -> None:
    high = low + extent
    expected = max((number for number in range(low, high + 1) if number <= last), default=None)
    assert largest(low, high, lambda number: number <= last) == expected


def test_safe_shares_are_enough_for_the_length_and_leave_the_neighbours_theirs() -> None:
    asked = tried(LLAMA_8B, "MI300X", "vllm 0.9.0", others=96 * GiB)
    safe = safe_shares(asked)
    assert safe is not None and safe.low == smallest_share(asked)
    for share, holds in ((safe.high, True), (safe.high + 0.01, False)):
        assert stays(asked.given({"gpu-memory-utilization": share})) is holds


def test_no_share_is_safe_where_the_neighbours_leave_too_little() -> None:
    assert safe_shares(tried(LLAMA_8B, "L4", "vllm 0.9.0", others=20 * GiB, max_model_len=512)) is None


def test_a_safe_length_of_an_engine_without_a_share_leaves_the_neighbours_theirs() -> None:
    asked = tried(LLAMA_8B, "L4", "llama.cpp b7500", others=4 * GiB, fit="off")
    safe = safe_lengths(asked)
    assert safe is not None and safe.high < 131_072
    assert stays(asked.given({"ctx-size": safe.high}))
    assert not stays(asked.given({"ctx-size": 131_072}))
