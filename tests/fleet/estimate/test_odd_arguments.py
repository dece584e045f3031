"""Arguments no engine would take: an estimate of them is refused, or is of the defaults, and never an exception."""

from __future__ import annotations

import pytest

from fleet.arguments import LARGEST, arguments
from fleet.estimate.measured import End
from fleet.estimate.trial import MOST_RANKS, trial
from fleet.estimate.ways_out import ways_out
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar

ODD: tuple[Scalar, ...] = (0, -1, -(10**6), 10**20, 0.0, -0.5, LARGEST, True, False, "", "x", "{", "1,2", "inf", "nan")
SOURCES = {
    "vllm 0.6.1": "meta-llama/Llama-3.1-8B-Instruct",
    "vllm 0.9.0": "google/gemma-3-27b-it",
    "vllm 0.33.0": "deepseek-ai/DeepSeek-V3",
    "sglang": "deepseek-ai/DeepSeek-V3",
    "llama.cpp": "MAI-DS-R1-Q4_K_M.gguf",
    "exllamav2": "Qwen/Qwen3-8B",
    "text-embeddings-inference": "BAAI/bge-m3",
    "infinity": "BAAI/bge-m3",
    "whisper": "openai/whisper-large-v3",
}
MORE = (
    "block-size", "pipeline-parallel-size", "data-parallel-size", "decode-context-parallel-size", "cpu-offload-gb",
    "kv-cache-memory-bytes", "num-gpu-blocks-override", "limit-mm-per-prompt", "speculative-config", "quantization",
    "page-size", "max-prefill-tokens", "swa-full-tokens-ratio", "mamba-full-memory-ratio", "no-kv-offload",
)  # fmt: skip


@pytest.mark.parametrize("engine", SOURCES)
def test_odd_arguments_are_estimated_like_any(engine: str) -> None:
    kind = accelerator("MI300X")
    named = Engine.parse(engine)
    for flag in (*(each.flag for each in arguments(named.name)), *MORE):
        for value in ODD:
            model = Model("m", named, SOURCES[engine], args=Arguments({flag: value}))
            if model.args.ranks > MOST_RANKS:
                continue
            asked = trial(model, kind, gpus=model.args.ranks)
            assert len(asked.estimate().shares) == len(asked.totals), f"{flag} {value!r}"
            assert asked.estimate(End.HIGH).model == "m"


@pytest.mark.parametrize("engine", ["vllm 0.9.0", "sglang", "llama.cpp"])
def test_ways_out_of_odd_arguments_are_looked_for_like_of_any(engine: str) -> None:
    for flag in ("tensor-parallel-size", "pipeline-parallel-size", "context-length", "fit-ctx", "fit-target"):
        for value in (0, -1, "x"):
            model = Model("m", Engine.parse(engine), SOURCES[engine], args=Arguments({flag: value}))
            ways_out(trial(model, accelerator("T4"), gpus=1), 8)
