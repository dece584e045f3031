"""What an operator types for an argument becomes what the engine takes, or a sentence."""

from __future__ import annotations

import pytest

from fleet.arguments import Kind, argument, arguments
from fleet.model import Engine


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("gpu-memory-utilization", "0.9", 0.9),
        ("max-model-len", "32768", 32768),
        ("max-model-len", "128k", 131072),
        ("max-model-len", "40,960", 40960),
        ("enforce-eager", "TRUE", True),
        ("kv-cache-dtype", "fp8", "fp8"),
        ("served-model-name", " anything at all ", "anything at all"),
    ],
)
def test_a_value_is_read(flag: str, text: str, value: object) -> None:
    assert argument("vllm", flag).parse(text) == value


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        ("gpu-memory-utilization", "0", "above 0"),
        ("gpu-memory-utilization", "much", "is a share"),
        ("max-model-len", "0", "from 1 on"),
        ("max-model-len", "1.5", "whole number"),
        ("enforce-eager", "perhaps", "switch"),
        ("kv-cache-dtype", "fp9", "one of auto, fp8"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(flag: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        argument("vllm", flag).parse(text)


def test_every_known_argument_says_what_it_does() -> None:
    for engine in Engine.NAMES:
        for known in arguments(engine):
            assert known.help
            assert (known.kind is Kind.CHOICE) == bool(known.choices)


def test_an_unknown_engine_has_no_known_arguments() -> None:
    assert arguments("other") == ()
