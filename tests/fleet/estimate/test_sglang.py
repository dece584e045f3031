"""SGLang: a fraction of what is free. Numbers worked out by hand from the formula and published layer shapes."""

from __future__ import annotations

import pytest

from fleet.architecture.catalogue import find
from fleet.estimate import Estimate, Outcome
from fleet.estimate.measured import End
from fleet.estimate.room import Room
from fleet.estimate.sglang import default_fraction, estimate
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar, Version
from fleet.units import GiB, MiB

MI300X, H100 = accelerator("MI300X"), accelerator("H100")
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
WEIGHTS = 2 * 8_030_261_248
TOKEN = 131_072
"""Bytes of the cache of one token: 32 layers x 8 heads x 128 x 2 x 2 B."""


def reckoned(
    gpu: str = "H100", source: str = LLAMA, others: tuple[int, ...] = (0,), version: str | None = None, **args: Scalar
) -> Estimate:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    architecture, kind = find(source), accelerator(gpu)
    assert architecture is not None
    model = Model("chat", Engine("sglang", Version(version) if version else None), source, args=flags)
    return estimate(model, architecture, Room(kind, (kind.total_bytes,) * len(others), others, End.CENTRAL))


def test_the_default_fraction_is_one_less_what_is_set_aside() -> None:
    # 512 + 1.5 x 8192 + 128 + 2 x 256 = 13,440 MiB of 81,559
    assert default_fraction(81_559 * MiB, chunk=8192, captured=256, ranks=1) == 0.835
    # 512 + 1.5 x 16384 + 128 + 2 x 512 = 26,240 MiB of 196,592
    assert default_fraction(196_592 * MiB, chunk=16384, captured=512, ranks=1) == 0.867
    # 512 + 1.5 x 2048 + 128 + 2 x 24 = 3,760 MiB of 24,564, a published RTX 4090
    assert default_fraction(24_564 * MiB, chunk=2048, captured=24, ranks=1) == 0.847


def test_at_least_ten_gib_are_set_aside_on_a_large_gpu() -> None:
    assert default_fraction(100 * GiB, chunk=2048, captured=8, ranks=1) == 0.9


def test_the_cache_is_what_the_fraction_of_free_memory_leaves_after_the_weights() -> None:
    found = reckoned(mem_fraction_static=0.8)
    free = H100.total_bytes - H100.context_bytes
    expected = (free - WEIGHTS - round(free * 0.2)) / TOKEN
    assert found.kv_cache_tokens == pytest.approx(expected, rel=1e-3)
    assert found.outcome is Outcome.STARTED


def test_others_make_the_cache_smaller_and_it_starts_nevertheless() -> None:
    alone, beside = (reckoned(mem_fraction_static=0.8, others=(held,)) for held in (0, 30 * GiB))
    assert beside.outcome is Outcome.STARTED
    assert alone.kv_cache_tokens is not None and beside.kv_cache_tokens is not None
    assert alone.kv_cache_tokens - beside.kv_cache_tokens == pytest.approx(0.8 * 30 * GiB / TOKEN, abs=2)
    assert "free when it starts" in beside.notes[0]


def test_it_has_neither_budget_nor_check() -> None:
    found = reckoned()
    assert found.budget_bytes is None and found.needs_free_bytes is None


def test_weights_over_the_fraction_leave_no_cache_and_it_says_which_fraction_would_do() -> None:
    found = reckoned("MI300X", "meta-llama/Llama-3.3-70B-Instruct", mem_fraction_static=0.6)
    assert found.outcome is Outcome.REFUSED and found.refusal is not None
    weights, free = 2 * 70_553_706_496, MI300X.total_bytes - MI300X.driver_bytes - MI300X.context_bytes
    assert f"minimum viable = 1 - available/pre = {weights / free:.4f}" in found.refusal.sentence
    assert found.refusal.sentence.startswith(
        "Loaded weights leave no GPU memory for the KV cache under --mem-fraction-static=0.6. Raise"
    )


def test_an_older_release_says_only_to_increase_it() -> None:
    found = reckoned("MI300X", "meta-llama/Llama-3.3-70B-Instruct", version="0.5.2", mem_fraction_static=0.6)
    assert found.refusal is not None
    assert found.refusal.sentence == (
        "Not enough memory. Please try to increase --mem-fraction-static. "
        "Current value: self.server_args.mem_fraction_static=0.6"
    )


def test_weights_over_the_gpu_run_out() -> None:
    assert reckoned("H100", "meta-llama/Llama-3.3-70B-Instruct").outcome is Outcome.OOM


def test_tensor_parallel_ranks_must_find_alike_much() -> None:
    held = reckoned(tp_size=2, others=(20 * GiB, 0))
    assert held.outcome is Outcome.REFUSED and held.refusal is not None
    assert held.refusal.sentence.startswith(
        "The memory capacity is unbalanced. Some GPUs may be occupied by other processes."
    )
    assert reckoned(tp_size=2, others=(5 * GiB, 0)).outcome is Outcome.STARTED


def test_two_ranks_hold_half_the_weights_and_half_of_each_token() -> None:
    one, two = reckoned(), reckoned(tp_size=2, others=(0, 0))
    assert two.shares[0].weights_bytes == pytest.approx(one.shares[0].weights_bytes / 2, rel=0.001)
    assert two.kv_cache_tokens is not None
    assert two.shares[0].kv_cache_bytes == two.kv_cache_tokens * TOKEN // 2


def test_more_ranks_than_gpus_are_refused() -> None:
    assert reckoned(tp_size=4, others=(0, 0)).outcome is Outcome.REFUSED


def test_stages_hold_their_layers_and_the_ends_the_tables() -> None:
    first, second = reckoned(pp_size=2, others=(0, 0)).shares
    assert first.weights_bytes == pytest.approx(second.weights_bytes, rel=0.001)
    assert first.weights_bytes + second.weights_bytes == pytest.approx(WEIGHTS, rel=0.001)


def test_fp8_holds_twice_the_tokens() -> None:
    wide, narrow = reckoned(), reckoned(kv_cache_dtype="fp8_e4m3")
    assert wide.kv_cache_tokens is not None
    assert narrow.kv_cache_tokens == pytest.approx(2 * wide.kv_cache_tokens, abs=1)


def test_sliding_layers_keep_four_fifths_of_the_tokens() -> None:
    found = reckoned("MI300X", "google/gemma-3-27b-it", mem_fraction_static=0.8)
    assert found.kv_cache_tokens is not None
    per_token = (10 + 0.8 * 52) * 16 * 128 * 2 * 2
    assert found.shares[0].kv_cache_bytes == pytest.approx(found.kv_cache_tokens * per_token, rel=1e-6)


def test_tokens_can_be_capped() -> None:
    assert reckoned(max_total_tokens=10_000).kv_cache_tokens == 10_000
