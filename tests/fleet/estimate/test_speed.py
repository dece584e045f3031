"""Decoding is bound by memory bandwidth: figures worked out by hand from published layer shapes."""

from __future__ import annotations

import pytest

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find
from fleet.architecture.config import from_config
from fleet.estimate.speed import Decoding, Speed, active_weight_bytes, decode, distinct_experts, read_bytes, share
from fleet.hardware import accelerator

MI300X, H100 = accelerator("MI300X"), accelerator("H100")
_SEVEN = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "intermediate_size": 11008}
LLAMA_7B = from_config("llama-7b", {"model_type": "llama", "vocab_size": 32000, **_SEVEN})
_THIRTY_FOUR = {"num_hidden_layers": 48, "hidden_size": 8192, "num_attention_heads": 64, "intermediate_size": 22016}
LLAMA_34B = from_config(
    "codellama-34b", {"model_type": "llama", "vocab_size": 32000, "num_key_value_heads": 8, **_THIRTY_FOUR}
)


def known(name: str) -> Architecture:
    found = find(name)
    assert found is not None
    return found


def test_a_step_reads_all_weights_but_the_embedding() -> None:
    embedding = 32000 * 4096
    assert active_weight_bytes(LLAMA_7B) == pytest.approx(2 * (6_738_415_616 - embedding), rel=1e-4)


def test_a_step_reads_the_cache_of_every_sequence() -> None:
    alone = read_bytes(LLAMA_7B, Decoding(batch=1, length=0))
    both = read_bytes(LLAMA_7B, Decoding(batch=2, length=1000))
    assert both - alone == 2 * 1000 * 2 * 32 * 4096 * 2


def test_a_sliding_layer_reads_its_window_only() -> None:
    gemma = known("google/gemma-3-27b-it")
    short, long = (read_bytes(gemma, Decoding(length=length)) for length in (1024, 101_024))
    assert long - short == 100_000 * 10 * 16 * 128 * 2 * 2


def test_the_published_speeds_alone_lie_in_the_range_of_an_mi300x_and_of_an_h100() -> None:
    for gpu in (MI300X, H100):
        small, large = decode(LLAMA_7B, gpu), decode(LLAMA_34B, gpu)
        assert small.low < 150 < small.high
        assert large.low < 32 < large.high


def test_the_published_pair_lies_in_the_ranges_of_sharing() -> None:
    small, large = share((Speed(150, 150), Speed(32, 32)))
    assert small.low < 32 < small.high
    assert large.low < 25 < large.high


def test_sharing_ranges_span_steps_in_turn_and_equal_parts() -> None:
    small, large = share((Speed(150, 150), Speed(32, 32)))
    in_turn = 150 * 32 / (150 + 32)
    assert (small.low, small.high) == pytest.approx((0.9 * in_turn, 75))
    assert (large.low, large.high) == pytest.approx((0.9 * 16, in_turn))
    assert "decode on this GPU at once" in small.assumptions[-1]


def test_a_model_alone_shares_nothing() -> None:
    assert share((Speed(100, 200),)) == (Speed(100, 200),)


def test_one_token_of_a_mixture_reads_its_own_experts_only() -> None:
    r1 = known("deepseek-ai/DeepSeek-R1")
    assert distinct_experts(r1, 1) == pytest.approx(8 / 256)
    assert distinct_experts(r1, 32) == pytest.approx(1 - (31 / 32) ** 32)
    assert active_weight_bytes(r1) == pytest.approx(37e9, rel=0.05)  # 37 billion active parameters in fp8


def test_a_larger_batch_is_slower_for_each_and_faster_for_all() -> None:
    one, many = decode(LLAMA_7B, MI300X), decode(LLAMA_7B, MI300X, Decoding(batch=32))
    assert many.low < one.low
    assert many.total[0] > 10 * one.total[0]


def test_two_ranks_are_faster_but_not_twice() -> None:
    one, two = decode(LLAMA_34B, MI300X), decode(LLAMA_34B, MI300X, Decoding(tensor_parallel=2))
    assert one.low < two.low < 2 * one.low
    assert one.high < two.high < 2 * one.high


def test_a_pipeline_helps_a_batch_and_not_a_single_sequence() -> None:
    assert decode(LLAMA_34B, MI300X, Decoding(pipeline_parallel=2)).high == decode(LLAMA_34B, MI300X).high
    batch, piped = (decode(LLAMA_34B, MI300X, Decoding(batch=8, pipeline_parallel=pp)) for pp in (1, 2))
    assert batch.low == piped.low
    assert batch.high < piped.high < 2 * batch.high


def test_a_file_of_4_85_bits_a_weight_is_read_as_it_is_stored() -> None:
    eight, stored = known("deepseek-ai/DeepSeek-R1"), known("MAI-DS-R1-Q4_K_M.gguf")
    assert active_weight_bytes(stored) / active_weight_bytes(eight) == pytest.approx(4.85 / 8, rel=0.05)


def test_the_assumptions_are_told() -> None:
    said = decode(
        known("deepseek-ai/DeepSeek-R1"), MI300X, Decoding(tensor_parallel=8, pipeline_parallel=2)
    ).assumptions
    assert any("5.3 TB/s of an MI300X" in sentence for sentence in said)
    assert any("8 are read" in sentence for sentence in said)
    assert any("all-reduces" in sentence for sentence in said)
