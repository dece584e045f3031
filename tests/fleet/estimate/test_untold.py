"""What an engine does where an argument is not given."""

from __future__ import annotations

import pytest

from fleet.estimate.trial import Trial, trial
from fleet.estimate.untold import untold
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"


def tried(engine: str, gpu: str = "MI300X", **args: Scalar) -> Trial:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return trial(Model(LLAMA_8B, Engine.parse(engine), LLAMA_8B, args=flags), accelerator(gpu))


@pytest.mark.parametrize(
    ("engine", "flag", "value"),
    [
        ("vllm 0.9.0", "gpu-memory-utilization", 0.9),
        ("vllm 0.33.0", "gpu-memory-utilization", 0.92),
        ("vllm 0.9.0", "max-model-len", 131_072),
        ("vllm 0.9.0", "max-num-seqs", 256),
        ("vllm 0.19.0", "max-num-seqs", 1024),
        ("vllm 0.9.0", "enforce-eager", False),
        ("llama.cpp b6000", "flash-attn", "off"),
        ("llama.cpp b7500", "flash-attn", "on"),
        ("llama.cpp b7500", "parallel", 4),
        ("llama.cpp b6000", "parallel", 1),
        ("sglang 0.5.6", "context-length", 131_072),
        ("text-embeddings-inference 1.8", "max-batch-tokens", 16_384),
    ],
)
def test_defaults_are_those_of_the_version(engine: str, flag: str, value: Scalar) -> None:
    assert untold(tried(engine), flag) == value


def test_what_is_given_does_not_change_what_is_done_untold() -> None:
    given = tried("vllm 0.9.0", gpu_memory_utilization=0.3, max_model_len=8192)
    assert untold(given, "gpu-memory-utilization") == 0.9
    assert untold(given, "max-model-len") == 131_072


def test_a_default_follows_from_the_other_arguments() -> None:
    assert untold(tried("vllm 0.19.0", max_num_seqs=4, max_model_len=512), "max-num-batched-tokens") == 2048


def test_nobody_knows_the_default_of_an_argument_that_is_not_known() -> None:
    assert untold(tried("vllm 0.9.0"), "swap-space") is None
    assert untold(tried("other"), "gpu-memory-utilization") is None
