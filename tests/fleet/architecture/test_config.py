"""Reading Hugging Face's config.json."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.architecture.architecture import Span
from fleet.architecture.config import from_config
from fleet.errors import UsageError

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 1024,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 2048,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
}


def test_a_head_is_as_wide_as_hidden_over_heads_where_nothing_else_is_said() -> None:
    assert from_config("m", LLAMA).head_dim == 128
    assert from_config("m", {**LLAMA, "head_dim": 64}).head_dim == 64


def test_a_model_without_kv_heads_has_one_for_every_head() -> None:
    assert from_config("m", {**LLAMA, "num_key_value_heads": None}).kv_heads == 8


def test_a_nested_text_config_is_the_language_model() -> None:
    vision = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "image_size": 56,
        "patch_size": 14,
    }
    nested = from_config("m", {"model_type": "gemma3", "text_config": LLAMA, "vision_config": vision})
    assert (nested.layers, nested.hidden, nested.model_type) == (4, 1024, "llama")
    assert nested.vision is not None and nested.vision.tokens_per_image == 16


def test_layer_types_say_which_layers_slide() -> None:
    kinds = ["sliding_attention", "full_attention"] * 2
    architecture = from_config("m", {**LLAMA, "sliding_window": 128, "layer_types": kinds})
    assert architecture.spans == (Span.SLIDING, Span.FULL) * 2
    assert architecture.sliding_window == 128


def test_a_window_that_is_switched_off_does_not_slide() -> None:
    architecture = from_config("m", {**LLAMA, "sliding_window": 128, "use_sliding_window": False})
    assert set(architecture.spans) == {Span.FULL}
    assert architecture.sliding_window is None


def test_linear_rope_scaling_lengthens_the_table_and_other_kinds_do_not() -> None:
    linear = {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    llama3 = {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}
    assert from_config("m", {**LLAMA, **linear}).rope_positions == 8 * 4096
    assert from_config("m", {**LLAMA, **llama3}).rope_positions == 4096


@pytest.mark.parametrize(
    ("config", "bytes_per_weight"),
    [
        ({"quant_method": "fp8"}, 1.0),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 0.51953125),
        ({"quant_method": "mxfp4"}, 0.53125),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}},
            },
            0.515625,
        ),
    ],
)
def test_a_quantised_weight_takes_its_bits_and_its_scales(config: dict[str, Any], bytes_per_weight: float) -> None:
    quantization = from_config("m", {**LLAMA, "quantization_config": config}).quantization
    assert quantization is not None
    assert quantization.bytes_per_weight == bytes_per_weight


@pytest.mark.parametrize("value", [None, "32", 0, True])
def test_a_missing_or_senseless_field_is_a_sentence_that_names_it(value: object) -> None:
    with pytest.raises(UsageError, match=r"config of some/model has no usable num_hidden_layers"):
        from_config("some/model", {**LLAMA, "num_hidden_layers": value})


def test_a_kind_of_layer_without_an_estimate_is_refused_by_name() -> None:
    kinds = ["lunar_attention", "full_attention"] * 2
    with pytest.raises(UsageError, match="lunar_attention"):
        from_config("m", {**LLAMA, "layer_types": kinds})
