"""Ways out: each is enough, and no smaller one of its kind is."""

from __future__ import annotations

import pytest

from fleet.architecture.catalogue import find
from fleet.estimate import Outcome, Reason
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial, trial
from fleet.estimate.ways_out import WayOut, applied, ways_out
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar
from fleet.units import GiB

LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
QWEN_235B, GEMMA, DS_R1 = "Qwen/Qwen3-235B-A22B", "google/gemma-3-27b-it", "MAI-DS-R1-Q4_K_M.gguf"


def tried(source: str, gpu: str, engine: str = "vllm 0.19.0", gpus: int = 1, others: int = 0, **args: Scalar) -> Trial:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    model = Model(source, Engine.parse(engine), source, args=flags)
    return trial(model, accelerator(gpu), gpus=gpus, others_bytes=others)


def flags_of(ways: tuple[WayOut, ...]) -> list[str]:
    return [flag for way in ways for flag in way.set]


STUCK = [
    tried(LLAMA_8B, "MI300X", "vllm 0.9.0", gpu_memory_utilization=0.1),
    tried(LLAMA_8B, "H100", gpu_memory_utilization=0.3),
    tried(LLAMA_8B, "L4"),
    tried(LLAMA_8B, "MI300X", others=100 * GiB),
    tried(LLAMA_8B, "MI300X", max_model_len=200_000),
    tried(LLAMA_8B, "MI300X", gpus=3, tensor_parallel_size=3),
    tried(LLAMA_8B, "MI300X", "vllm 0.9.0", max_num_batched_tokens=128),
    tried(LLAMA_70B, "H100"),
    tried(QWEN_235B, "MI300X"),
    tried(QWEN_235B, "L4"),
    tried(GEMMA, "MI300X", "vllm 0.9.0", gpu_memory_utilization=0.4),
]
NAMES = [f"{each.model.source} on {each.accelerator.name} {dict(each.model.args)}" for each in STUCK]


@pytest.mark.parametrize("stuck", STUCK, ids=NAMES)
def test_after_every_way_out_the_model_starts_at_the_high_end(stuck: Trial) -> None:
    ways = ways_out(stuck, 8)
    assert ways
    for way in ways:
        assert not way.set or applied(stuck, way.set).estimate(End.HIGH).outcome is Outcome.STARTED, way.summary


def test_a_model_that_starts_needs_none() -> None:
    assert ways_out(tried(LLAMA_8B, "MI300X")) == ()


def test_the_utilization_offered_is_the_smallest_that_is_enough() -> None:
    stuck = tried(LLAMA_8B, "H100", gpu_memory_utilization=0.3)
    way = ways_out(stuck)[0]
    share = way.set["gpu-memory-utilization"]
    assert isinstance(share, float) and way.summary == f"utilization {share}"
    assert not stuck.given({"gpu-memory-utilization": round(share - 0.01, 2)}).starts()


def test_where_others_hold_the_gpu_the_largest_share_that_is_free_is_offered() -> None:
    stuck = tried(LLAMA_8B, "MI300X", others=100 * GiB)
    refusal = stuck.estimate().refusal
    assert refusal and refusal.reason is Reason.NOT_ENOUGH_FREE
    (way,) = [way for way in ways_out(stuck) if "gpu-memory-utilization" in way.set]
    share = way.set["gpu-memory-utilization"]
    assert isinstance(share, float) and 0.4 < share < 0.48
    assert not stuck.given({"gpu-memory-utilization": round(share + 0.01, 2)}).starts()


def test_the_length_offered_is_the_longest_that_fits() -> None:
    stuck = tried(LLAMA_8B, "L4")
    (way,) = [way for way in ways_out(stuck) if "max-model-len" in way.set]
    length = way.set["max-model-len"]
    assert isinstance(length, int) and 10_000 < length < 131_072
    assert not stuck.given({"max-model-len": length + 16}).starts()


def test_v0_is_offered_a_longer_length_in_chunks_too() -> None:
    ways = ways_out(tried(LLAMA_8B, "MI300X", "vllm 0.9.0", gpu_memory_utilization=0.1))
    chunked, plain = (way for way in ways if "max-model-len" in way.set)
    assert chunked.set["enable-chunked-prefill"] is True and chunked.summary.endswith("in chunks")
    assert int(str(chunked.set["max-model-len"])) > int(str(plain.set["max-model-len"]))


def test_v0_never_chunks_a_multimodal_model_so_it_is_not_offered() -> None:
    ways = ways_out(tried(GEMMA, "MI300X", "vllm 0.9.0", gpu_memory_utilization=0.4))
    assert "enable-chunked-prefill" not in flags_of(ways)


def test_a_length_beyond_the_model_is_answered_with_the_models_own() -> None:
    (way,) = ways_out(tried(LLAMA_8B, "MI300X", max_model_len=200_000))
    assert dict(way.set) == {"max-model-len": 131_072}


def test_a_parallel_size_that_does_not_divide_is_answered_with_the_next_that_does() -> None:
    ways = ways_out(tried(LLAMA_8B, "MI300X", gpus=3, tensor_parallel_size=3), 8)
    assert ways[0].set == {"tensor-parallel-size": 4}
    assert ways_out(tried(LLAMA_8B, "MI300X", gpus=3, tensor_parallel_size=3), 3)[0].set == {"tensor-parallel-size": 2}


def test_no_more_gpus_are_offered_than_there_are() -> None:
    stuck = tried(LLAMA_70B, "H100")
    assert "tensor-parallel-size" not in flags_of(ways_out(stuck, 1))
    assert ways_out(stuck, 8)[0].set == {"tensor-parallel-size": 4}


def test_a_batch_smaller_than_its_sequences_is_given_back_to_the_version() -> None:
    ways = ways_out(tried(LLAMA_8B, "MI300X", "vllm 0.9.0", max_num_batched_tokens=128))
    assert ways[0].set == {"max-num-batched-tokens": None}
    assert not {"gpu", "tensor-parallel-size"} & set(flags_of(ways))


def test_a_smaller_batch_is_offered_where_the_profile_run_takes_too_much() -> None:
    stuck = tried(LLAMA_8B, "H100", gpu_memory_utilization=0.3, max_model_len=16_384, max_num_batched_tokens=262_144)
    (way,) = [way for way in ways_out(stuck) if "max-num-batched-tokens" in way.set]
    assert way.set["max-num-batched-tokens"] == 8192


def test_weights_that_fit_in_8_bit_are_offered_before_a_4_bit_checkpoint() -> None:
    ways = ways_out(tried(LLAMA_70B, "H200", gpu_memory_utilization=0.9, max_model_len=32_768), 1)
    assert {"quantization": "fp8"} in [dict(way.set) for way in ways]
    assert not [way for way in ways if "4-bit" in way.summary]


def test_where_8_bit_weights_do_not_fit_it_is_said_what_4_bit_ones_take() -> None:
    ways = ways_out(tried(QWEN_235B, "MI300X"), 1)
    (way,) = [way for way in ways if "4-bit" in way.summary]
    assert not way.set and "GiB of weights" in way.summary


@pytest.mark.parametrize("gpu", ["A100-40GB", "MI210"])
def test_8_bit_floats_are_not_offered_where_the_gpu_has_none(gpu: str) -> None:
    ways = ways_out(tried(LLAMA_70B, gpu), 8)
    assert not {"kv-cache-dtype", "quantization"} & set(flags_of(ways))


def test_another_kind_of_gpu_is_the_smallest_that_is_enough_of_its_vendor_and_of_the_other() -> None:
    kinds = [way.set["gpu"] for way in ways_out(tried(LLAMA_8B, "L4"), 1) if "gpu" in way.set]
    assert [accelerator(str(kind)).vendor for kind in kinds] == ["nvidia", "amd"]
    assert kinds[0] == "A100-40GB"


def test_where_no_single_change_is_enough_two_together_are_offered() -> None:
    ways = ways_out(tried(QWEN_235B, "L4"), 8)
    assert all(" and " in way.summary for way in ways)


def test_llama_cpp_that_may_not_fit_itself_is_offered_more_gpus() -> None:
    stuck = tried(DS_R1, "MI300X", "llama.cpp", gpus=2, fit="off")
    assert stuck.estimate().outcome is Outcome.OOM
    assert ways_out(stuck, 8)[0].set == {"gpus": 3}


def test_the_architecture_that_was_asked_about_decides_not_the_catalogues() -> None:
    model = Model("mine", Engine.parse("vllm 0.19.0"), "mine/unheard-of")
    stuck = trial(model, accelerator("L4"), architecture=find(LLAMA_8B))
    assert [way.summary for way in ways_out(stuck)] == [way.summary for way in ways_out(tried(LLAMA_8B, "L4"))]
