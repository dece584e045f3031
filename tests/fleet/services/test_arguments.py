"""Changing an engine's arguments without touching anything else."""

from __future__ import annotations

import pytest

from fleet.errors import GpudeckError
from fleet.model import Scalar
from fleet.services.arguments import check_no_secret, read_arguments, with_arguments


def argv(line: str) -> tuple[str, ...]:
    return tuple(line.split())


@pytest.mark.parametrize(
    ("before", "changed", "after"),
    [
        ("vllm serve m --max-model-len 8192 --port 1", {"max-model-len": 40960},
         "vllm serve m --max-model-len 40960 --port 1"),
        ("vllm serve m --max_model_len=8192", {"max-model-len": 40960}, "vllm serve m --max_model_len=40960"),
        ("vllm serve m", {"gpu-memory-utilization": 0.39}, "vllm serve m --gpu-memory-utilization 0.39"),
        ("vllm serve m --gpu-memory-utilization 0.50", {"gpu-memory-utilization": 0.5},
         "vllm serve m --gpu-memory-utilization 0.50"),
        ("vllm serve --enforce-eager m", {"enforce-eager": False}, "vllm serve m"),
        ("vllm serve m", {"enforce-eager": True}, "vllm serve m --enforce-eager"),
        ("vllm serve m", {"enforce-eager": False}, "vllm serve m"),
        ("vllm serve m", {"enable-prefix-caching": False}, "vllm serve m --no-enable-prefix-caching"),
        ("vllm serve m --no-enable-prefix-caching", {"enable-prefix-caching": True},
         "vllm serve m --enable-prefix-caching"),
        ("vllm serve m --dtype half --port 1", {"dtype": None}, "vllm serve m --port 1"),
        ("vllm serve m --enforce-eager --port 1", {"enforce-eager": None}, "vllm serve m --port 1"),
        ("llama-server -m a -c 4096 -ngl 9", {"ctx-size": 8192}, "llama-server -m a -c 8192 -ngl 9"),
        ("llama-server -m a.gguf", {"ngl": 99}, "llama-server -m a.gguf -ngl 99"),
        ("vllm serve m -tp 2", {"tensor-parallel-size": 4}, "vllm serve m -tp 4"),
        ("vllm serve m --seed -1", {"seed": -2}, "vllm serve m --seed -2"),
        ("vllm serve m --seed 1 --seed 2", {"seed": 3}, "vllm serve m --seed 3"),
        ("vllm serve m", {"note": "--odd"}, "vllm serve m --note=--odd"),
    ],
)  # fmt: skip
def test_only_the_changed_argument_changes(before: str, changed: dict[str, Scalar], after: str) -> None:
    assert with_arguments(argv(before), changed) == argv(after)


def test_arguments_are_read_under_the_fleet_files_spelling() -> None:
    line = "vllm serve m --max_model_len=81 --enforce-eager --dtype half -tp 2 --no-enable-prefix-caching -- --x"
    assert read_arguments(argv(line)) == {
        "max-model-len": 81,
        "enforce-eager": True,
        "dtype": "half",
        "tensor-parallel-size": 2,
        "enable-prefix-caching": False,
    }


def test_what_is_changed_is_read_back() -> None:
    changed: dict[str, Scalar] = {
        "gpu-memory-utilization": 0.39,
        "max-model-len": 33120,
        "enforce-eager": True,
    }
    words = with_arguments(argv("vllm serve m --port 8001 --max-model-len 8192"), changed)
    assert read_arguments(words) == {"port": 8001, **changed}


def test_a_secret_is_not_copied_into_an_overlay() -> None:
    with pytest.raises(GpudeckError, match="--api-key"):
        check_no_secret(argv("vllm serve m --api-key sk-1"))
    check_no_secret(argv("vllm serve m --max-num-batched-tokens 8192 --tokenizer x"))
