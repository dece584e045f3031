"""A model's own files: folders of safetensors and GGUF files, told apart, added up, and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from fleet.architecture.checkpoint import gguf_config, parse_config, read, stored
from fleet.architecture.config import from_config
from fleet.architecture.gguf import Passed, Value
from fleet.architecture.gguf import Tensor as GgufTensor
from fleet.architecture.ranges import HeaderError, Reader, read_local
from fleet.architecture.safetensors import Tensor
from fleet.errors import UsageError
from fleet.estimate.estimating import estimate
from fleet.hardware import accelerator
from fleet.model import Engine, Model, Version

CONFIG: dict[str, Any] = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 320, "tie_word_embeddings": False,
    "max_position_embeddings": 512,
}  # fmt: skip


def arrays(dtype: type[np.generic] = np.float16) -> dict[str, np.ndarray]:
    """The tensors of that model."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (320, 64),
        "model.norm.weight": (64,),
        "lm_head.weight": (320, 64),
    }
    for layer in range(2):
        name = f"model.layers.{layer}."
        shapes |= {
            f"{name}self_attn.q_proj.weight": (64, 64),
            f"{name}self_attn.k_proj.weight": (32, 64),
            f"{name}self_attn.v_proj.weight": (32, 64),
            f"{name}self_attn.o_proj.weight": (64, 64),
            f"{name}mlp.gate_proj.weight": (128, 64),
            f"{name}mlp.up_proj.weight": (128, 64),
            f"{name}mlp.down_proj.weight": (64, 128),
            f"{name}input_layernorm.weight": (64,),
            f"{name}post_attention_layernorm.weight": (64,),
        }
    return {name: np.zeros(shape, dtype) for name, shape in shapes.items()}


def write_folder(folder: Path, tensors: dict[str, np.ndarray] | None = None, shards: int = 1) -> Path:
    """The model in so many files, with an index where there are several."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    every = list((tensors or arrays()).items())
    names: dict[str, str] = {}
    for shard in range(shards):
        file = "model.safetensors" if shards == 1 else f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = dict(every[shard::shards])
        names |= dict.fromkeys(part, file)
        (folder / file).write_bytes(save(part))
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return folder


def weights(folder: Path, **args: int) -> int:
    """Bytes of weights vLLM would take for it on the first GPU."""
    gpus = args.get("tensor_parallel_size", 1)
    model = Model("m", Engine("vllm", Version("0.19.0")), source="m")
    model = Model("m", model.engine, source="m", args=model.args.replace("tensor-parallel-size", gpus))
    gpu = accelerator("H100")
    found = estimate(model, gpu, totals=(gpu.total_bytes,) * gpus, architecture=read(folder))
    return found.shares[0].weights_bytes


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_is_as_large_as_its_tensors_say(tmp_path: Path, shards: int) -> None:
    folder = write_folder(tmp_path / "tiny", shards=shards)
    known = read(folder)
    assert known.stored is not None and known.stored.dtype == "F16"
    assert known.stored.disk_bytes == sum(array.nbytes for array in arrays().values())
    rope = 512 * 16 * 2
    assert weights(folder) == known.stored.disk_bytes + rope


def test_two_gpus_split_the_matrices_and_copy_the_norms(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny")
    rope, norms = 512 * 16 * 2, 4 * 64 * 2
    whole = weights(folder) - rope - norms
    assert weights(folder, tensor_parallel_size=2) == whole // 2 + rope + norms


def test_a_float32_checkpoint_is_twice_as_large_on_disk_as_in_memory(tmp_path: Path) -> None:
    narrow, wide = write_folder(tmp_path / "narrow"), write_folder(tmp_path / "wide", arrays(np.float32))
    found = read(wide).stored
    assert found is not None and found.dtype == "F32"
    assert found.disk_bytes == 2 * sum(array.nbytes for array in arrays().values())
    assert weights(wide) == weights(narrow)


def test_quantised_codes_and_their_scales_stay_as_they_are() -> None:
    found = stored(
        [
            Tensor("model.layers.0.mlp.down_proj.weight", "F8_E4M3", (64, 128), 8192),
            Tensor("model.layers.0.mlp.down_proj.weight_scale", "F32", (64, 1), 256),
            Tensor("model.layers.0.input_layernorm.weight", "BF16", (64,), 128),
        ],
        1,
    )
    assert found.layers[0].split.served(2) == 8192 + 256
    assert found.layers[0].copied.served(2) == 128
    assert found.dtype == "F8_E4M3"


def test_what_only_drafting_loads_is_on_disk_but_not_in_memory() -> None:
    draft = Tensor("model.layers.61.self_attn.o_proj.weight", "BF16", (10, 10), 200)
    found = stored([draft, Tensor("mtp.layers.0.x.weight", "BF16", (10,), 20)], 61)
    assert found.disk_bytes == 220
    assert not any(layer.split.served(2) + layer.copied.served(2) for layer in found.layers)
    assert found.others.served(2) == 0


def test_towers_are_loaded_beside_the_language_model() -> None:
    tower = Tensor("vision_tower.encoder.layers.0.mlp.fc1.weight", "BF16", (10, 10), 200)
    assert stored([tower], 4).others.served(2) == 200


def test_the_same_model_in_another_form_is_not_counted_twice(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny")
    before = weights(folder)
    (folder / "consolidated.safetensors").write_bytes(save(arrays()))
    assert weights(folder) == before


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "a\0b"])
def test_an_index_names_files_of_its_own_folder_only(tmp_path: Path, name: str) -> None:
    folder = write_folder(tmp_path / "tiny")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(UsageError, match="outside its folder"):
        read(folder)


@pytest.mark.parametrize("index", ["[]", '{"weight_map": 1}', '{"weight_map": {"a": 1}}', "{"])
def test_an_index_that_says_nothing_is_refused(tmp_path: Path, index: str) -> None:
    folder = write_folder(tmp_path / "tiny")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UsageError):
        read(folder)


def test_a_config_that_is_no_json_is_refused_with_line_and_column(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny")
    (folder / "config.json").write_text('{\n  "model_type": llama\n}')
    with pytest.raises(HeaderError, match="line 2, column 17"):
        read(folder)


def test_a_folder_or_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no config\.json"):
        read(tmp_path)
    with pytest.raises(UsageError, match="neither"):
        read(tmp_path / "model.bin")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "missing.gguf")


LATENT: dict[str, Value] = {
    "general.architecture": "deepseek2",
    "deepseek2.block_count": 2,
    "deepseek2.embedding_length": 7168,
    "deepseek2.attention.head_count": 128,
    "deepseek2.attention.head_count_kv": 128,
    "deepseek2.attention.key_length": 192,
    "deepseek2.attention.value_length": 128,
    "deepseek2.attention.kv_lora_rank": 512,
    "deepseek2.attention.q_lora_rank": 1536,
    "deepseek2.rope.dimension_count": 64,
    "deepseek2.feed_forward_length": 18432,
    "deepseek2.context_length": 4096,
    "tokenizer.ggml.tokens": Passed(129_280),
}


@pytest.mark.parametrize(("tensor", "latents"), [("blk.0.attn_k_b.weight", True), ("blk.0.attn_kv_b.weight", False)])
def test_a_file_tells_whether_it_holds_what_latent_attention_needs(tensor: str, latents: bool) -> None:
    known = from_config("r1", gguf_config(LATENT, [GgufTensor(tensor, (8, 8), 128)]))
    assert known.gguf is not None and known.gguf.latents is latents
    assert known.latent is not None and (known.latent.nope_dim, known.latent.cached_width) == (128, 576)
    assert known.vocab == 129_280


@given(text=st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_for_a_config_end_in_a_config_or_a_sentence(text: bytes) -> None:
    steps: Reader[dict[str, Any]] = parse_config("config.json", len(text))
    try:
        wanted = next(steps)
        steps.send(text[wanted.offset : wanted.offset + wanted.length])
    except StopIteration as end:
        assert isinstance(end.value, dict)
    except HeaderError as error:
        assert str(error).startswith("config.json, byte ")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 40) | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(
    changes=st.dictionaries(
        st.sampled_from(
            [
                *CONFIG,
                "layer_types",
                "rope_scaling",
                "vision_config",
                "moe",
                "quantization_config",
                "kv_lora_rank",
                "num_experts",
                "sliding_window",
                "text_config",
                "layer_pattern",
                "total_params",
            ]
        ),
        VALUES,
        max_size=4,
    )
)
@settings(max_examples=400)
def test_any_values_in_a_config_make_an_architecture_or_a_sentence(changes: dict[str, Any]) -> None:
    try:
        known = from_config("m", {**CONFIG, **changes})
    except UsageError as error:
        assert str(error).startswith("The config of m ")
        return
    model = Model("m", Engine("vllm", Version("0.28.0")), source="m")
    assert estimate(model, accelerator("MI300X"), architecture=known).shares


def test_a_local_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_local(tmp_path / "a\0b", parse_config)
