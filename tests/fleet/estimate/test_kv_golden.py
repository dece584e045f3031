"""Bytes of KV cache a token takes, for twenty architectures, worked out by hand from the published layer shapes.

``layers x (keys + values) x bytes``, 16 bit, on one GPU: what every token takes for as long as its request lives, and
what it takes only while it is inside a window.
"""

from __future__ import annotations

from collections import Counter

import pytest

from fleet.architecture.architecture import Span
from fleet.architecture.catalogue import find
from fleet.estimate.vllm.kv_cache import layout, token_bytes
from fleet.estimate.vllm.pages import Caching
from fleet.estimate.vllm.recurrent import state_bytes
from fleet.estimate.vllm.settings import resolve
from fleet.estimate.vllm.stages import stages
from fleet.estimate.vllm.versions import era
from fleet.hardware import accelerator
from fleet.model import Arguments, Version

NOW, GPU = era(Version("0.28.0"), "amd"), accelerator("MI300X")

# model, GPUs it is split over, bytes kept of every token, bytes kept inside a window
GOLDEN = [
    ("meta-llama/Llama-2-7b-hf", 1, 32 * 32 * 128 * 2 * 2, 0),  # every head has its own keys
    ("facebook/opt-125m", 1, 12 * 12 * 64 * 2 * 2, 0),
    ("microsoft/phi-2", 1, 32 * 32 * 80 * 2 * 2, 0),
    ("meta-llama/Llama-3.1-8B-Instruct", 1, 131_072, 0),  # eight KV heads
    ("meta-llama/Llama-3.3-70B-Instruct", 1, 327_680, 0),
    ("meta-llama/Llama-3.3-70B-Instruct", 4, 327_680 // 4, 0),
    ("Qwen/Qwen3-8B", 1, 147_456, 0),
    ("Qwen/Qwen3-32B", 1, 262_144, 0),
    ("Qwen/Qwen3-235B-A22B", 8, 94 * 1 * 128 * 2 * 2, 0),  # four KV heads over eight GPUs: each has one
    ("mistralai/Mixtral-8x7B-v0.1", 1, 131_072, 0),
    ("google/gemma-2b", 1, 18 * 1 * 256 * 2 * 2, 0),  # one KV head
    ("deepseek-ai/DeepSeek-V2-Lite-Chat", 1, 27 * 576 * 2, 0),  # a latent
    ("deepseek-ai/DeepSeek-R1", 8, 70_272, 0),  # which every GPU keeps whole
    ("moonshotai/Kimi-K2-Instruct", 16, 70_272, 0),
    ("zai-org/GLM-5.1", 1, 78 * (576 * 2 + 128 + 4), 0),  # and an index of 8-bit keys
    ("mistralai/Mistral-7B-v0.1", 1, 0, 131_072),  # every layer slides
    ("google/gemma-2-9b-it", 1, 21 * 8 * 256 * 2 * 2, 21 * 8 * 256 * 2 * 2),
    ("google/gemma-3-27b-it", 1, 10 * 8192, 52 * 8192),
    ("openai/gpt-oss-20b", 1, 12 * 2048, 12 * 2048),
    ("google/gemma-4-31B-it", 1, 10 * 4 * 512 * 2 * 2, 50 * 16 * 256 * 2 * 2),  # full layers have fewer, wider heads
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", 1, 12 * 2 * 256 * 2 * 2, 0),  # three layers of four keep a state instead
    ("Qwen/Qwen3.5-27B", 1, 65_536, 0),
    ("ai21labs/AI21-Jamba-1.5-Mini", 1, 4 * 8 * 128 * 2 * 2, 0),
    ("cyankiwi/Kimi-Linear-48B-A3B-Instruct-AWQ-4bit", 1, 7 * 576 * 2, 0),
]


@pytest.mark.parametrize(("name", "gpus", "always", "windowed"), GOLDEN)
def test_a_token_takes_what_the_layer_shapes_say(name: str, gpus: int, always: int, windowed: int) -> None:
    architecture = find(name)
    assert architecture is not None
    settings = resolve(Arguments({"tensor-parallel-size": gpus}), architecture, NOW, GPU)
    kinds, caching = Counter(architecture.spans), Caching.of(settings)
    assert kinds[Span.FULL] * token_bytes(architecture, Span.FULL, caching) == always
    assert kinds[Span.SLIDING] * token_bytes(architecture, Span.SLIDING, caching) == windowed


def test_an_fp8_cache_takes_half_and_a_scale_for_each_head_a_little_more() -> None:
    llama = find("meta-llama/Llama-3.1-8B-Instruct")
    assert llama is not None
    sizes = {
        dtype: 32
        * token_bytes(llama, Span.FULL, Caching.of(resolve(Arguments({"kv-cache-dtype": dtype}), llama, NOW, GPU)))
        for dtype in ("auto", "fp8", "fp8_per_token_head", "int4_per_token_head")
    }
    assert sizes == {
        "auto": 131_072,
        "fp8": 65_536,
        "fp8_per_token_head": 32 * 8 * 2 * (128 + 4),
        "int4_per_token_head": 32 * 8 * 2 * (64 + 4),
    }


def test_a_recurrent_state_sets_the_size_of_attention_blocks() -> None:
    """As vLLM prints it for Qwen3-Next: blocks of 544 tokens on one and two GPUs, 272 on four."""
    model = find("Qwen/Qwen3-Next-80B-A3B-Instruct")
    assert model is not None and model.state is not None
    before = era(Version("0.19.0"), "nvidia")
    blocks = {}
    for gpus in (1, 2, 4):
        settings = resolve(Arguments({"tensor-parallel-size": gpus}), model, before, accelerator("H200"))
        (stage,) = stages(model.layers, 1)
        plan = layout(model, stage, settings, before)
        blocks[gpus] = plan.groups[0].block
        assert len(plan.groups) == 4 and {group.count for group in plan.groups} == {12}
        if gpus == 2:
            padded = plan.groups[0].page_bytes / state_bytes(model.state, Caching.of(settings)) - 1
            assert padded == pytest.approx(0.0149, abs=0.0001)
    assert blocks == {1: 544, 2: 544, 4: 272}


def test_layers_that_read_anothers_cache_keep_none() -> None:
    gemma = find("google/gemma-4-E2B-it")
    assert gemma is not None
    assert Counter(gemma.spans) == {Span.SLIDING: 12, Span.FULL: 3, Span.NONE: 20}
