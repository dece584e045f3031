"""llama.cpp: layers over GPUs, the cache, scratch, and what --fit makes of too little room."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find
from fleet.architecture.config import from_config
from fleet.estimate import Estimate, Outcome
from fleet.estimate.estimating import estimate
from fleet.estimate.llama_cpp.cache import cells, latent_cache_bytes, layer_cache_bytes, window_cells
from fleet.estimate.llama_cpp.layers import placed_layers
from fleet.estimate.llama_cpp.options import options
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Scalar, Version
from fleet.units import GiB, MiB

MI300X, L4 = accelerator("MI300X"), accelerator("L4")
R1 = "MAI-DS-R1-Q4_K_M.gguf"
LLAMA_8B = from_config(
    "Meta-Llama-3-8B-Q8_0.gguf",
    {
        "model_type": "llama",
        "quant_facts": "GGUF Q8_0",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
        "max_position_embeddings": 8192,
    },
)


def flags(args: dict[str, Scalar]) -> Arguments:
    return Arguments({flag.replace("_", "-"): value for flag, value in args.items()})


def reckoned(place: str = "host/4-6", others: list[int] | None = None, **args: Scalar) -> Estimate:
    model = Model("r1", Engine("llama.cpp"), R1, Place.parse(place), args=flags(args))
    return estimate(model, MI300X, totals=[MI300X.total_bytes] * len(Place.parse(place).gpus), others_bytes=others)


def small(others: int = 0, version: str | None = None, **args: Scalar) -> Estimate:
    engine = Engine("llama.cpp", Version(version) if version else None)
    model = Model("llama", engine, LLAMA_8B.name, Place.parse("host/0"), args=flags(args))
    return estimate(model, L4, others_bytes=[others], architecture=LLAMA_8B)


def layers(free: list[int], **args: Scalar) -> list[int]:
    return [len(held) for held in placed_layers(options(flags(args), None), 61, free)]


def known(name: str) -> Architecture:
    found = find(name)
    assert found is not None
    return found


def told(**args: Any) -> Any:
    return options(flags(args), None)


def test_equal_gpus_get_a_third_of_the_layers_and_the_head_goes_last() -> None:
    assert layers([192, 192, 192]) == [21, 21, 20]


def test_layers_follow_free_memory_or_the_split_that_is_given() -> None:
    assert layers([64, 192, 192]) == [9, 27, 26]
    assert layers([192, 192, 192], tensor_split="1,1,2") == [16, 15, 31]


def test_without_a_split_everything_is_on_the_main_gpu() -> None:
    assert layers([192, 192, 192], split_mode="none") == [62, 0, 0]
    assert layers([192, 192, 192], split_mode="none", main_gpu=1) == [0, 62, 0]


def test_the_last_layers_are_on_gpus_where_a_number_is_told() -> None:
    placed = placed_layers(told(n_gpu_layers=20), 61, [192, 192])
    assert placed == placed_layers(told(n_gpu_layers="20"), 61, [192, 192]) == (range(42, 52), range(52, 62))
    assert layers([192, 192], n_gpu_layers="all") == [31, 31]


def test_rows_over_gpus_leave_the_cache_on_the_main_one() -> None:
    first, second, third = reckoned(ctx_size=32_768, split_mode="row", fit="off").shares
    assert first.weights_bytes == pytest.approx(third.weights_bytes, abs=2)
    assert first.kv_cache_bytes > 0 and second.kv_cache_bytes == third.kv_cache_bytes == 0


def test_layers_follow_what_others_leave_free() -> None:
    first, _, third = reckoned(others=[100 * GiB, 0, 0], ctx_size=8192).shares
    assert first.weights_bytes < 0.6 * third.weights_bytes


def test_a_latent_cache_holds_one_vector_a_token_and_layer() -> None:
    found = reckoned(ctx_size=32_768)
    cached = sum(share.kv_cache_bytes for share in found.shares)
    assert cached == 61 * (512 + 64) * 2 * 32_768
    assert found.kv_cache_tokens == found.max_model_len == 32_768


def test_a_file_without_latents_would_keep_71_times_as_much() -> None:
    sizes = latent_cache_bytes(known(R1), told(), 32_768)
    assert sizes == (61 * 576 * 2 * 32_768, 61 * (24_576 + 16_384) * 2 * 32_768)
    assert sizes[1] / sizes[0] == pytest.approx(71.1, abs=0.1)
    assert any("keeps full heads, 152.5 GiB" in note for note in reckoned(ctx_size=32_768).notes)
    assert latent_cache_bytes(LLAMA_8B, told(), 8192) is None


@pytest.mark.parametrize(
    ("key", "value", "bytes_per_token"),
    [("f16", "f16", 4096), ("q8_0", "q8_0", 2176), ("q8_0", "q4_0", 1664), ("q4_0", "q4_0", 1152)],
)
def test_keys_and_values_have_types_of_their_own(key: str, value: str, bytes_per_token: int) -> None:
    assert layer_cache_bytes(LLAMA_8B, 0, told(cache_type_k=key, cache_type_v=value), 4096) == bytes_per_token * 4096


def test_a_smaller_type_shrinks_a_latent_cache() -> None:
    cached = sum(share.kv_cache_bytes for share in reckoned(ctx_size=32_768, cache_type_k="q8_0").shares)
    assert cached == 61 * (512 + 64) * 34 // 32 * 32_768


def test_the_context_is_padded_and_without_one_is_the_models_own() -> None:
    assert reckoned(ctx_size=1000).kv_cache_tokens == 1024
    assert reckoned().kv_cache_tokens == 163_840


def test_slots_share_a_cache_unless_their_number_is_told() -> None:
    assert (cells(told(), 10_000).count, cells(told(), 10_000).streams) == (10_240, 1)
    apart = cells(told(parallel=3), 10_000)
    assert (apart.count, apart.streams) == (14 * 256, 3)
    assert cells(told(parallel=3, kv_unified=True), 10_000).streams == 1


def test_a_slot_of_its_own_holds_a_part_of_the_context() -> None:
    found = small(ctx_size=8192, parallel=4)
    assert (found.max_model_len, found.kv_cache_tokens, found.max_concurrency) == (2048, 8192, 4.0)


def test_sliding_layers_keep_their_windows_and_one_batch() -> None:
    assert window_cells(told(parallel=1), 131_072, 1024).count == 1536
    assert window_cells(told(), 131_072, 1024).count == 4 * 1024 + 512
    assert window_cells(told(swa_full=True), 131_072, 1024).count == 131_072


def test_gemma_keeps_ten_gib_in_its_ten_full_layers_and_little_beside() -> None:
    gemma = known("google/gemma-3-27b-it")
    sizes = [layer_cache_bytes(gemma, layer, told(parallel=1), 131_072) for layer in range(62)]
    assert sum(size for size in sizes if size == max(sizes)) == 10 * GiB
    assert sum(size for size in sizes if size < max(sizes)) == 52 * 8192 * 1536


def test_a_recurrent_layer_keeps_a_state_for_each_slot() -> None:
    hybrid = from_config(
        "qwen3-next",
        {
            "model_type": "qwen3_next",
            "num_hidden_layers": 4,
            "hidden_size": 2048,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "head_dim": 256,
            "intermediate_size": 5120,
            "vocab_size": 151_936,
            "full_attention_interval": 4,
            "linear_num_value_heads": 32,
            "linear_value_head_dim": 128,
            "linear_num_key_heads": 16,
            "linear_key_head_dim": 128,
            "linear_conv_kernel_dim": 4,
        },
    )
    state = 4 * 2 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096)
    assert layer_cache_bytes(hybrid, 0, told(parallel=2), 4096) == state
    assert layer_cache_bytes(hybrid, 3, told(), 4096) == 4096 * 2 * 2 * 256 * 2


def test_scratch_is_what_llama_cpp_prints_for_llama_3() -> None:
    with_flash, without = small(ctx_size=8192, fit="off"), small(ctx_size=8192, fit="off", flash_attn="off")
    excess = round(0.15 * GiB)
    assert with_flash.shares[0].activations_bytes - excess == 258.5 * MiB
    scores = 32 * 512 * 8192 * 4
    assert without.shares[0].activations_bytes - excess == scores + 8 * MiB


def test_the_embedding_stays_in_host_memory() -> None:
    weights = sum(share.weights_bytes for share in reckoned(ctx_size=32_768).shares)
    assert weights == pytest.approx(404e9 - 0.52e9, rel=0.001)


def test_a_file_known_by_its_architecture_only_is_reckoned() -> None:
    (share,) = small(ctx_size=4096).shares
    assert share.weights_bytes == pytest.approx((8_030_261_248 - 128_256 * 4096) * 8.5 / 8, rel=0.001)


def test_without_fit_two_gpus_are_too_few_and_it_says_which_buffer_fails() -> None:
    found = reckoned("host/4-5", ctx_size=32_768, fit="off")
    assert found.outcome is Outcome.OOM
    assert found.refusal is not None
    assert found.refusal.sentence == "error loading model: unable to allocate ROCm1 buffer"


def test_a_cache_that_does_not_fit_fails_after_the_weights() -> None:
    found = small(ctx_size=131_072, fit="off")
    assert found.refusal is not None and found.refusal.sentence.endswith("failed to allocate buffer for kv cache")


def test_older_builds_do_not_fit() -> None:
    assert small(ctx_size=131_072, version="7000").outcome is Outcome.OOM
    assert small(ctx_size=131_072, version="8000").outcome is Outcome.STARTED


def test_fit_shortens_an_unset_context_beside_others() -> None:
    alone, beside = small(), small(others=12 * GiB)
    assert alone.kv_cache_tokens == 8192
    assert beside.outcome is Outcome.STARTED
    assert beside.kv_cache_tokens is not None and 4096 <= beside.kv_cache_tokens < 8192
    assert any("--fit shortens its context from 8,192 to" in note for note in beside.notes)
    left = L4.total_bytes - 12 * GiB - beside.shares[0].total_bytes
    assert left >= 1024 * MiB


def test_fit_leaves_layers_in_host_memory_where_a_shorter_context_is_not_enough() -> None:
    found = small(others=16 * GiB)
    assert found.outcome is Outcome.STARTED
    assert found.kv_cache_tokens == 4096
    assert any("of 33 layers stay in host memory" in note for note in found.notes)


def test_fit_changes_nothing_that_was_told() -> None:
    assert small(others=16 * GiB, n_gpu_layers=99, ctx_size=8192).outcome is Outcome.OOM
    found = small(others=14 * GiB, ctx_size=8192)
    assert (found.outcome, found.kv_cache_tokens) == (Outcome.STARTED, 8192)


def test_a_quantised_value_cache_needs_flash_attention() -> None:
    found = small(cache_type_v="q8_0", flash_attn="off")
    assert found.outcome is Outcome.REFUSED
    assert found.refusal is not None and "requires flash_attn" in found.refusal.sentence


def test_there_is_no_budget_and_no_check_and_it_says_what_happens_beside_others() -> None:
    found = reckoned(ctx_size=32_768)
    assert found.budget_bytes is None and found.needs_free_bytes is None
    assert all(share.total_bytes < 192 * GiB for share in found.shares)
    assert found.notes[0].startswith("Beside others it is not refused: --fit keeps the context it was told")
