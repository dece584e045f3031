"""KV bytes of one token, against figures worked out here from the published layer shapes."""

from __future__ import annotations

import pytest

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find
from fleet.estimate.vllm.kv_cache import layout, needed_bytes, request_blocks
from fleet.estimate.vllm.settings import Settings, resolve
from fleet.estimate.vllm.stages import stages
from fleet.estimate.vllm.versions import Era, era
from fleet.hardware import accelerator
from fleet.model import Arguments, Scalar, Version

H100 = accelerator("H100")
BF16 = 2

# (layers, KV heads, head width): a key and a value of every head, in every layer.
MULTI_HEAD = {
    "meta-llama/Llama-3.1-8B-Instruct": (32, 8, 128),
    "meta-llama/Llama-3.3-70B-Instruct": (80, 8, 128),
    "agentica-org/DeepCoder-14B-Preview": (48, 8, 128),
    "mistralai/Devstral-Small-2505": (40, 8, 128),
    "RedHatAI/Mistral-Small-24B-Instruct-2501-FP8-dynamic": (40, 8, 128),
    "Qwen/Qwen3-32B": (64, 8, 128),
    "Qwen/Qwen3-235B-A22B": (94, 4, 128),
    "google/gemma-3-27b-it": (62, 16, 128),
}


def prepared(name: str, version: str, **args: Scalar) -> tuple[Architecture, Settings, Era]:
    architecture = find(name)
    assert architecture is not None
    current = era(Version(version), H100.vendor)
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return architecture, resolve(flags, architecture, current, H100), current


def token_bytes(name: str, version: str = "0.7.3", **args: Scalar) -> int:
    architecture, settings, current = prepared(name, version, **args)
    (stage,) = stages(architecture.layers, 1)
    return layout(architecture, stage, settings, current).bytes_per_block // settings.block_size


@pytest.mark.parametrize("name", MULTI_HEAD)
def test_v0_keeps_a_key_and_a_value_per_head_in_every_layer(name: str) -> None:
    layers, heads, width = MULTI_HEAD[name]
    assert token_bytes(name) == 2 * layers * heads * width * BF16


def test_the_figures_people_know() -> None:
    assert token_bytes("meta-llama/Llama-3.1-8B-Instruct") == 131_072
    assert token_bytes("Qwen/Qwen3-32B") == 262_144
    assert token_bytes("google/gemma-3-27b-it") == 507_904


@pytest.mark.parametrize("ranks", [1, 8])
def test_a_latent_is_kept_once_a_layer_and_whole_on_every_rank(ranks: int) -> None:
    name, latent, rotary, layers = "deepseek-ai/DeepSeek-R1", 512, 64, 61
    assert token_bytes(name, tensor_parallel_size=ranks) == layers * (latent + rotary) * BF16 == 70_272


def test_kv_heads_are_split_over_ranks_until_each_has_one() -> None:
    whole = token_bytes("Qwen/Qwen3-235B-A22B")
    assert token_bytes("Qwen/Qwen3-235B-A22B", tensor_parallel_size=4) == whole // 4
    assert token_bytes("Qwen/Qwen3-235B-A22B", tensor_parallel_size=8) == whole // 4


@pytest.mark.parametrize(
    ("dtype", "vector"), [("fp8", 128), ("fp8_per_token_head", 128 + 4), ("int4_per_token_head", 64 + 4), ("nvfp4", 72)]
)
def test_a_quantised_cache_keeps_its_scales_too(dtype: str, vector: int) -> None:
    assert token_bytes("meta-llama/Llama-3.1-8B-Instruct", kv_cache_dtype=dtype) == 2 * 32 * 8 * vector


def test_v1_gives_sliding_layers_block_tables_of_their_own() -> None:
    architecture, settings, current = prepared("google/gemma-3-27b-it", "0.19.0")
    (stage,) = stages(62, 1)
    plan = layout(architecture, stage, settings, current)
    # 52 sliding and 10 full layers: groups of ten, six of them sliding, one full
    assert sorted((group.count, group.window) for group in plan.groups if group.window) == [(10, 1024)] * 6
    assert [group.count for group in plan.groups if group.window is None] == [10]
    assert plan.bytes_per_block == 10 * 16 * (2 * 16 * 128 * BF16)


def test_a_sliding_layer_is_admitted_with_its_window_and_a_batch() -> None:
    architecture, settings, current = prepared("google/gemma-3-27b-it", "0.19.0", max_model_len=131_072)
    (stage,) = stages(62, 1)
    plan = layout(architecture, stage, settings, current)
    sliding, full = -(-(1023 + 8192) // 16) + 1, 131_072 // 16
    assert {request_blocks(group, 131_072, 8192) for group in plan.groups} == {sliding, full}
    assert needed_bytes(plan, 131_072, 8192, current) == plan.bytes_per_block * (6 * sliding + full)


def test_nearly_equal_kinds_of_layers_are_padded_to_one_size_from_0_12_on() -> None:
    architecture, settings, _ = prepared("google/gemma-3-27b-it", "0.19.0")
    (stage,) = stages(21, 1)  # 18 sliding, 3 full: far from equal in every version
    for version in ("0.11.0", "0.12.0", "0.18.0"):
        groups = layout(architecture, stage, settings, era(Version(version), "nvidia")).groups
        assert {group.count for group in groups} == {3}
