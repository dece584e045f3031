"""Configs as they are published: nested ones that leave out what is usual, and those of other naming."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.architecture.architecture import Span
from fleet.architecture.config import from_config
from fleet.architecture.families import model_type_of
from fleet.architecture.parameters import parameters

GEMMA_3_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "mm_tokens_per_image": 256,
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "patch_size": 14,
    },
}


def test_a_nested_config_leaves_out_what_its_type_has_defaults_for() -> None:
    gemma = from_config("gemma", GEMMA_3_4B)
    assert parameters(gemma) == 4_300_079_472  # as its checkpoint counts them
    assert (gemma.heads, gemma.kv_heads, gemma.head_dim, gemma.sliding_window) == (8, 4, 256, 1024)
    assert gemma.spans[:7].count(Span.FULL) == 1


@pytest.mark.parametrize(
    ("config", "billions", "kv_heads"),
    [
        ({"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257,
          "n_positions": 1024}, 0.1244, 12),
        ({"model_type": "falcon", "num_hidden_layers": 32, "hidden_size": 4544, "num_attention_heads": 71,
          "multi_query": True, "vocab_size": 65024}, 6.92, 1),
        ({"model_type": "gpt_bigcode", "n_layer": 40, "n_embd": 6144, "n_head": 48, "multi_query": True,
          "vocab_size": 49152, "n_positions": 8192, "n_inner": 24576}, 15.5, 1),
        ({"model_type": "chatglm", "num_layers": 28, "hidden_size": 4096, "num_attention_heads": 32,
          "multi_query_group_num": 2, "ffn_hidden_size": 13696, "padded_vocab_size": 65024, "seq_length": 32768,
          "kv_channels": 128}, 6.24, 2),
        ({"model_type": "bloom", "n_layer": 30, "n_head": 32, "hidden_size": 4096, "vocab_size": 250880}, 7.07, 32),
        ({"model_type": "dbrx", "n_layers": 40, "d_model": 6144, "n_heads": 48, "vocab_size": 100352,
          "max_seq_len": 32768, "attn_config": {"kv_n_heads": 8},
          "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}}, 131.6, 8),
    ],
)  # fmt: skip
def test_fields_of_other_names_mean_the_same(config: dict[str, Any], billions: float, kv_heads: int) -> None:
    known = from_config("m", config)
    assert parameters(known) / 1e9 == pytest.approx(billions, rel=0.005)
    assert known.kv_heads == kv_heads


def test_a_pattern_of_letters_tells_layers_of_states_from_layers_of_attention() -> None:
    config = {
        "model_type": "nemotron_h", "hybrid_override_pattern": "M-M*-M", "num_hidden_layers": 6, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 131072, "max_position_embeddings": 8192,
    }  # fmt: skip
    known = from_config("m", config)
    assert known.spans == (Span.RECURRENT, Span.NONE, Span.RECURRENT, Span.FULL, Span.NONE, Span.RECURRENT)
    assert known.has_state


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Qwen/Qwen3-8B-FP8", "qwen3"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_moe"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "qwen2"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "llama"),
        ("deepseek-ai/DeepSeek-R1", "deepseek_v3"),
        ("google/gemma-3-27b-it", "gemma3_text"),
        ("BAAI/bge-reranker-v2-m3", "xlm-roberta"),
        ("openai/whisper-large-v3", "whisper"),
        ("somebody/unheard-of-7b", "llama"),
    ],
)
def test_a_name_tells_the_type_of_a_config_that_does_not(name: str, kind: str) -> None:
    assert model_type_of(name) == kind


@pytest.mark.parametrize("count", [7_240_000_000, 13_000_000_000, 34_000_000_000, 120_000_000_000])
def test_a_model_of_which_only_its_size_is_known_has_that_size(count: int) -> None:
    known = from_config("m", {"total_params": count})
    assert parameters(known) == count
    assert known.layers and known.kv_heads
