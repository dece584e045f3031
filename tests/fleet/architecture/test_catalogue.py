"""The built-in catalogue: every model of the demo fleet, with the sizes its makers publish."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.architecture.architecture import Span
from fleet.architecture.catalogue import find, names
from fleet.architecture.parameters import parameters
from fleet.inventory.loading import load

DEMO = Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml"

# The parameter counts of the safetensors headers, as huggingface.co shows them; DeepSeek-R1 without its MTP layer.
PUBLISHED = {
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "meta-llama/Llama-3.3-70B-Instruct": 70_553_706_496,
    "agentica-org/DeepCoder-14B-Preview": 14_770_033_664,
    "mistralai/Devstral-Small-2505": 23_572_403_200,
    "google/gemma-3-27b-it": 27_432_406_640,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen3-235B-A22B": 235_093_634_560,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen1.5-MoE-A2.7B": 14_315_784_192,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "meta-llama/Llama-3.2-1B-Instruct": 1_235_814_400,
    "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
    "microsoft/phi-4": 14_659_507_200,
    "google/gemma-2-9b-it": 9_241_705_984,
    "google/gemma-3-1b-it": 999_885_952,
    "facebook/opt-125m": 125_239_296,
    "bigcode/starcoder2-15b": 15_957_889_024,
    "deepseek-ai/DeepSeek-V2-Lite-Chat": 15_706_484_224,
    "openai/gpt-oss-20b": 20_914_757_184,
    "deepseek-ai/DeepSeek-R1": 671_026_419_200 - 58 * 256,  # without the routers' correction biases
}


def test_every_source_of_the_demo_fleet_is_known() -> None:
    sources = [model.source for model in load(DEMO).models if model.source]
    assert len(sources) == 9
    assert all(find(source) for source in sources)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_worked_out_from_the_fields_are_the_published_ones(name: str) -> None:
    architecture = find(name)
    assert architecture is not None
    assert parameters(replace(architecture, extra_parameters=0)) == PUBLISHED[name]


def test_an_unknown_source_is_no_architecture() -> None:
    assert find("nobody/nothing") is None


def test_a_gguf_file_is_found_in_whatever_folder_it_lies() -> None:
    architecture = find("/srv/models/MAI-DS-R1-Q4_K_M.gguf")
    assert architecture is not None and architecture.gguf is not None
    gguf = architecture.gguf
    assert len(gguf.layer_bytes) == architecture.layers == 61
    assert max(gguf.layer_bytes[:3]) < min(gguf.layer_bytes[3:])
    assert gguf.input_bytes + sum(gguf.layer_bytes) + gguf.output_bytes == pytest.approx(404e9, rel=0.001)


def test_gemma_looks_back_in_full_on_every_sixth_layer() -> None:
    gemma = find("google/gemma-3-27b-it")
    assert gemma is not None
    full = [layer for layer, span in enumerate(gemma.spans) if span is Span.FULL]
    assert full == [5, 11, 17, 23, 29, 35, 41, 47, 53, 59]


def test_every_entry_can_be_read() -> None:
    assert all(find(name) for name in names())


def test_yaml_is_not_imported_before_the_first_look_up() -> None:
    code = "import fleet.estimate.estimating, sys; print({'yaml', 'pydantic', 'textual'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
