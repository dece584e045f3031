"""Bytes of weights on one GPU."""

from __future__ import annotations

import pytest

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find
from fleet.estimate.vllm.settings import resolve
from fleet.estimate.vllm.stages import stages
from fleet.estimate.vllm.versions import era
from fleet.estimate.vllm.weights import rank_bytes, rope_bytes
from fleet.hardware import accelerator
from fleet.model import Arguments, Scalar, Version
from fleet.units import GiB

NOW = era(Version("0.19.0"), "nvidia")
LLAMA, LARGE = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
GEMMA, R1 = "google/gemma-3-27b-it", "deepseek-ai/DeepSeek-R1"


def known(name: str) -> Architecture:
    architecture = find(name)
    assert architecture is not None
    return architecture


def loaded(name: str, **args: Scalar) -> list[float]:
    """GiB of each pipeline stage's first rank."""
    architecture, h100 = known(name), accelerator("H100")
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    settings = resolve(flags, architecture, NOW, h100)
    plan = stages(architecture.layers, settings.pipeline_parallel)
    return [rank_bytes(architecture, stage, settings, NOW) / GiB for stage in plan]


def rotary(name: str) -> int:
    """Bytes of the tables rotary positions are read from."""
    return rope_bytes(known(name), 2)


@pytest.mark.parametrize(
    ("args", "printed"),
    [
        ({}, 14.99),
        ({"tensor_parallel_size": 2}, 7.51),
        ({"tensor_parallel_size": 4}, 3.77),
        ({"quantization": "fp8"}, 8.49),
        ({"pipeline_parallel_size": 2}, 7.51),
    ],
)
def test_llama_takes_what_vllm_prints_on_an_h100(args: dict[str, Scalar], printed: float) -> None:
    assert loaded(LLAMA, **args)[0] == pytest.approx(printed, abs=0.01)


def test_the_rotary_tables_are_what_lies_between_parameters_and_the_printed_size() -> None:
    assert rotary(LLAMA) == 131_072 * 128 * 2
    assert rotary(GEMMA) / GiB == pytest.approx(0.28, abs=0.005)  # 8 x scaled, and one for sliding layers


def test_a_float32_checkpoint_is_served_in_16_bit_unless_told_otherwise() -> None:
    (usual,), (wide,) = loaded("agentica-org/DeepCoder-14B-Preview"), loaded(LLAMA, dtype="float32")
    assert usual == pytest.approx(14_770_033_664 * 2 / GiB, abs=0.1)
    assert wide == pytest.approx(29.95, abs=0.05)


def test_an_fp8_checkpoint_keeps_both_vocabulary_tables_in_16_bit() -> None:
    (size,) = loaded("RedHatAI/Mistral-Small-24B-Instruct-2501-FP8-dynamic")
    tables, rest = 2 * 131_072 * 5120, 23_572_403_200 - 2 * 131_072 * 5120
    assert size == pytest.approx((2 * tables + rest) / GiB, abs=0.05)


def test_tied_tables_are_loaded_once_by_one_stage_and_twice_by_two() -> None:
    table = 262_208 * 5376 * 2 / GiB
    whole, halves = loaded(GEMMA), loaded(GEMMA, pipeline_parallel_size=2)
    rope = rotary(GEMMA) / GiB
    assert sum(halves) == pytest.approx(whole[0] + table + rope, abs=0.001)


def test_a_quantised_latent_model_keeps_its_up_projection_a_second_time() -> None:
    (r1,) = loaded(R1)
    doubled = 61 * 2 * 128 * (128 + 128) * 512 / GiB
    tables = 2 * 2 * 129_280 * 7168 / GiB
    linear = (671_026_404_352 - 2 * 129_280 * 7168) / GiB
    assert r1 == pytest.approx(tables + linear + doubled, rel=0.001)


@pytest.mark.parametrize(("layers", "count", "sizes"), [(80, 4, [20, 20, 20, 20]), (61, 4, [15, 15, 16, 15])])
def test_a_remainder_of_layers_goes_to_the_stages_before_the_last(layers: int, count: int, sizes: list[int]) -> None:
    assert [len(stage.layers) for stage in stages(layers, count)] == sizes
