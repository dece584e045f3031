"""Changes on the command line are read as they are written, and refused in sentences."""

from __future__ import annotations

import argparse

import pytest

from console.changing.drafting import add_change_options, read_changes
from fleet.errors import UsageError
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, Serve, SetArgument
from fleet.model import Engine, Model, Place

INVENTORY = Inventory(
    "test",
    hosts=(Host("gpu01", "ops@gpu01", "MI300X", 8),),
    models=(
        Model("llama-3.1", Engine.parse("vllm 0.9.0"), place=Place("gpu01", (0,))),
        Model("llama-3.1-8b", Engine.parse("vllm 0.9.0"), place=Place("gpu01", (1,))),
    ),
)


def read(*words: str) -> tuple[Change, ...]:
    parser = argparse.ArgumentParser()
    add_change_options(parser)
    return read_changes(parser.parse_args(words), INVENTORY)


def test_moves_come_before_enabling_so_a_model_without_a_place_can_get_both() -> None:
    assert read("--enable", "llama-3.1", "--move", "llama-3.1=gpu01/4-6") == (
        Move("llama-3.1", Place("gpu01", (4, 5, 6))),
        Enable("llama-3.1"),
    )


def test_a_model_name_with_dots_is_told_from_its_argument() -> None:
    assert read("--set", "llama-3.1-8b.gpu-memory-utilization=0.5") == (
        SetArgument("llama-3.1-8b", "gpu-memory-utilization", 0.5),
    )


def test_values_are_what_the_engine_takes() -> None:
    assert read(
        "--set",
        "llama-3.1.max-model-len=32k",
        "--set",
        "llama-3.1.enforce-eager=true",
        "--set",
        "llama-3.1.x-y=z",
    ) == (
        SetArgument("llama-3.1", "max-model-len", 32768),
        SetArgument("llama-3.1", "enforce-eager", True),
        SetArgument("llama-3.1", "x-y", "z"),
    )


def test_a_checkpoint_is_set_by_the_fleet_files_key() -> None:
    assert read("--set", "llama-3.1-8b.source=/models/a.gguf") == (Serve("llama-3.1-8b", "/models/a.gguf"),)


def test_an_empty_value_takes_the_argument_away() -> None:
    assert read("--set", "llama-3.1.max-model-len=") == (SetArgument("llama-3.1", "max-model-len", None),)


def test_disabling_is_read() -> None:
    assert read("--disable", "llama-3.1") == (Disable("llama-3.1"),)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--move", "llama-3.1"), "names no place"),
        (("--move", "llama-3.1=nowhere"), "is not a place"),
        (("--move", "qwen=gpu01/1"), "There is no model 'qwen'"),
        (("--set", "llama-3.1-8b=5"), "names no argument"),
        (("--set", "llama-3.1.max-model-len=-5"), "whole number"),
        (("--set", "llama-3.1.gpu-memory-utilization=1.5"), "at most 1"),
        (("--enable", "nobody"), "There is no model 'nobody'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(*words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--enable", "llama-3.1", "--disable", "llama-3.1"), "llama-3.1 is to be enabled and disabled at once."),
        (("--move", "llama-3.1=gpu01/1", "--move", "llama-3.1=gpu01/2"), "--move names llama-3.1 more than once."),
        (("--set", "llama-3.1.a=1", "--set", "llama-3.1.a=2"), "--set names llama-3.1.a more than once."),
    ],
)
def test_options_that_say_different_things_of_one_model_are_refused(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(*words)
    assert refused.value.message == sentence
