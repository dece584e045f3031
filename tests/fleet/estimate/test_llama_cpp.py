"""llama.cpp: layers over GPUs, the cache, no budget."""

from __future__ import annotations

import pytest

from fleet.architecture.catalogue import find
from fleet.estimate import Estimate, Outcome
from fleet.estimate.estimating import estimate
from fleet.estimate.llama_cpp import placed_layers
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Scalar
from fleet.units import GiB

MI300X = accelerator("MI300X")


def reckoned(place: str = "host/4-6", totals: list[int] | None = None, **args: Scalar) -> Estimate:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    model = Model("r1", Engine("llama.cpp"), "MAI-DS-R1-Q4_K_M.gguf", Place.parse(place), args=flags)
    return estimate(model, MI300X, totals=totals)


def layers(totals: list[int], **args: Scalar) -> list[int]:
    architecture = find("MAI-DS-R1-Q4_K_M.gguf")
    assert architecture is not None and architecture.gguf is not None
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return [len(held) for held in placed_layers(flags, architecture.gguf, totals)]


def test_equal_gpus_get_a_third_of_the_layers_and_the_head_goes_last() -> None:
    assert layers([192, 192, 192]) == [21, 21, 20]


def test_layers_follow_free_memory_or_the_split_that_is_given() -> None:
    assert layers([64, 192, 192]) == [9, 27, 26]
    assert layers([192, 192, 192], tensor_split="1,1,2") == [16, 15, 31]


def test_without_a_split_everything_is_on_the_first_gpu() -> None:
    assert layers([192, 192, 192], split_mode="none") == [62, 0, 0]


def test_a_latent_cache_holds_one_vector_a_token_and_layer() -> None:
    found = reckoned(ctx_size=32_768)
    cached = sum(share.kv_cache_bytes for share in found.shares)
    assert cached == 61 * (512 + 64) * 2 * 32_768
    assert found.kv_cache_tokens == found.max_model_len == 32_768


def test_a_smaller_type_shrinks_the_cache() -> None:
    half = sum(share.kv_cache_bytes for share in reckoned(ctx_size=32_768, cache_type_k="q8_0").shares)
    assert half == 61 * round((512 + 64) * 34 / 32) * 32_768


def test_the_context_is_padded_and_without_one_is_the_models_own() -> None:
    assert reckoned(ctx_size=1000).kv_cache_tokens == 1024
    assert reckoned().kv_cache_tokens == 163_840


def test_the_embedding_stays_in_host_memory() -> None:
    weights = sum(share.weights_bytes for share in reckoned(ctx_size=32_768).shares)
    assert weights == pytest.approx(404e9 - 0.52e9, rel=0.001)


def test_two_gpus_are_too_few() -> None:
    found = reckoned("host/4-5", ctx_size=32_768)
    assert found.outcome is Outcome.OOM
    assert found.refusal is not None and "failed to allocate buffer" in found.refusal.sentence


def test_there_is_no_budget_and_no_check() -> None:
    found = reckoned(ctx_size=32_768)
    assert found.budget_bytes is None and found.needs_free_bytes is None
    assert all(share.total_bytes < 192 * GiB for share in found.shares)
