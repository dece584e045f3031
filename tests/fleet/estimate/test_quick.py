"""The arithmetic on paper: published examples to the digit."""

from __future__ import annotations

import pytest

from fleet.estimate.quick import Paper, Precision, paper_size, reckon, steps
from fleet.units import GB

LLAMA_13B = Paper(
    parameters=13_000_000_000, layers=40, kv_width=5120, tokens=2000, users=10, beside_bytes=9_200_000_000
)


@pytest.mark.parametrize(
    ("parameters", "size"), [(345_000_000, "690 MB"), (13_000_000_000, "26 GB"), (175_000_000_000, "350 GB")]
)
def test_16_bit_weights_take_two_bytes_each(parameters: int, size: str) -> None:
    assert paper_size(reckon(Paper(parameters)).weights_bytes) == size


@pytest.mark.parametrize(
    ("precision", "size"),
    [("fp32", 28 * GB), ("fp16", 14 * GB), ("bf16", 14 * GB), ("int8", 7 * GB), ("int4", 3_500_000_000)],
)
def test_precision_decides_the_bytes_of_a_weight(precision: str, size: int) -> None:
    assert reckon(Paper(7_000_000_000, Precision(precision))).weights_bytes == size


def test_the_cache_of_a_13b_model_is_800_kb_a_token() -> None:
    found = reckon(LLAMA_13B)
    assert found.token_bytes == 819_200
    assert paper_size(found.sequence_bytes) == "1.6 GB"
    assert paper_size(found.kv_cache_bytes) == "16 GB"


def test_the_sum_is_shown_and_is_51_not_101() -> None:
    (line,) = (line for line in steps(reckon(LLAMA_13B)) if line.startswith("to serve"))
    assert line == "to serve: 26 GB + 16 GB + 9.2 GB = 51.2 GB (exactly 51,584,000,000 B)"


def test_two_40_gb_gpus_hold_it() -> None:
    found = reckon(Paper(13_000_000_000, layers=40, kv_width=5120, tokens=2000, users=10, gpu_bytes=40 * GB))
    assert found.gpus == 2
    assert "GPUs of 40 GB: 46.2 GB / 40 GB, rounded up = 2" in steps(found)


def test_every_step_is_printed_with_its_units() -> None:
    lines = steps(reckon(LLAMA_13B))
    assert lines[:4] == (
        "weights: 13,000,000,000 parameters x 2 B (fp16) = 26,000,000,000 B = 26 GB",
        "KV cache of one token: 2 (key and value) x 40 layers x 5,120 wide x 2 B = 819,200 B (800 KB of 1,024 B)",
        "KV cache of one sequence: 819,200 B x 2,000 tokens = 1,638,400,000 B = 1.6 GB",
        "KV cache of all users: 1,638,400,000 B x 10 users = 16,384,000,000 B = 16 GB",
    )


def test_a_beam_of_four_takes_four_sequences() -> None:
    found = reckon(Paper(13_000_000_000, layers=40, kv_width=5120, tokens=2000, sequences=4))
    assert found.request_bytes == found.kv_cache_bytes == 4 * 1_638_400_000
    assert any("x 4 sequences (n, or beam width)" in line for line in steps(found))


def test_shares_are_of_weights_and_cache_together() -> None:
    found = reckon(Paper(10_000_000_000, activation_share=0.05, overhead_share=0.1))
    assert (found.activations_bytes, found.overhead_bytes) == (1 * GB, 2 * GB)
    assert found.total_bytes == 23 * GB


def test_paging_loses_a_block_a_sequence_where_one_piece_loses_a_fifth_to_a_third() -> None:
    found = reckon(LLAMA_13B)
    assert found.fragmentation_bytes == (3_276_800_000, 4_915_200_000)
    assert found.paged_waste_bytes == 16 * 819_200 * 10


def test_training_takes_about_six_times_the_weights() -> None:
    found = reckon(Paper(13_000_000_000))
    assert found.training_bytes == 6 * 26 * GB
    assert (
        "to train: about 6 x weights = 156 GB: optimiser 2 x = 52 GB, gradients 1 x = 26 GB, activations 1 x = 26 GB, "
        "buffers 2 x = 52 GB"
    ) in steps(found)


def test_an_adapter_trains_on_frozen_weights() -> None:
    found = reckon(Paper(10_000_000_000, adapter_share=0.01))
    assert found.adapter_tuning_bytes == 20 * GB + 20 * GB + 6 * 200_000_000


def test_a_model_without_layers_has_no_cache_lines() -> None:
    assert not any("cache" in line for line in steps(reckon(Paper(345_000_000))))


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (26 * GB, "26 GB"),
        (1_638_400_000, "1.6 GB"),
        (350 * GB, "350 GB"),
        (2 * GB, "2 GB"),
        (819_200, "819 KB"),
        (34_500_000, "35 MB"),
        (12, "12 B"),
    ],
)
def test_sizes_are_written_as_on_paper(size: int, text: str) -> None:
    assert paper_size(size) == text
