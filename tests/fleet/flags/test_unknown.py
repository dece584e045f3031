"""Flags an engine does not have: misspelt, of another version, or not known; those it has are passed over."""

from __future__ import annotations

import pytest

from fleet.arguments import arguments
from fleet.flags.unknown import Unknown, unknown
from fleet.model import Engine, Version


def said_of(engine: str, *flags: str) -> list[Unknown]:
    return list(unknown(Engine.parse(engine), dict.fromkeys(flags, 1)))


@pytest.mark.parametrize(
    ("engine", "misspelt", "meant"),
    [
        ("vllm 0.9.0", "max-model-length", "max-model-len"),
        ("vllm 0.9.0", "max-len", "max-model-len"),
        ("vllm 0.9.0", "tensor-parallel", "tensor-parallel-size"),
        ("vllm 0.9.0", "gpu-mem-util", "gpu-memory-utilization"),
        ("vllm 0.9.0", "quantisation", "quantization"),
        ("vllm 0.9.0", "ctx-size", "max-model-len"),
        ("llama.cpp", "ctx-sise", "ctx-size"),
        ("llama.cpp", "context-length", "ctx-size"),
        ("sglang", "max-model-len", "context-length"),
        ("sglang", "mem-fraction", "mem-fraction-static"),
        ("whisper", "beem-size", "beam-size"),
        ("exllamav2", "max_seq_length", "max-seq-len"),
    ],
)
def test_a_misspelt_flag_is_told_with_the_one_that_was_meant(engine: str, misspelt: str, meant: str) -> None:
    (found,) = said_of(engine, misspelt)
    assert found.nearest == meant
    assert found.sentence.endswith(f"; --{meant} may be meant.")
    assert f"--{misspelt} is no flag of {engine} known to gpudeck" in found.sentence


@pytest.mark.parametrize(
    ("engine", "flags"),
    [
        ("vllm 0.9.0", "port host served-model-name api-key no-enable-prefix-caching trust-remote-code O3"),
        ("vllm 0.9.0", "compilation-config.level VLLM_USE_V1 max_model_len chat-template tool-call-parser"),
        ("sglang", "tp tp-size port attention-backend disable-radix-cache"),
        ("llama.cpp", "ngl gpu-layers no-kv-offload alias jinja threads-http model-draft spec-draft-n-max"),
        ("text-embeddings-inference", "port pooling max-batch-tokens"),
        ("infinity", "port url-prefix batch-size"),
    ],
)
def test_flags_that_do_not_matter_for_memory_are_passed_over(engine: str, flags: str) -> None:
    assert said_of(engine, *flags.split()) == []


@pytest.mark.parametrize("engine", Engine.NAMES)
def test_no_flag_that_decides_memory_is_unknown(engine: str) -> None:
    allowed = {argument.flag: choice for argument in arguments(engine) for choice in argument.choices or (1,)}
    assert list(unknown(Engine.parse(engine), allowed)) == []


def test_what_nothing_is_like_is_only_said_to_be_ignored() -> None:
    (found,) = said_of("vllm 0.9.0", "frobnicate")
    assert found.sentence.endswith("and is ignored for the estimate.")
    assert not found.refused


def test_operators_own_words_are_left_alone_where_flags_are_not_listed() -> None:
    assert said_of("other", "max-model-length") == []
    assert said_of("whisper", "model-size", "vad") == []


def test_a_flag_of_older_versions_is_gone_and_one_of_newer_is_not_there_yet() -> None:
    assert said_of("vllm 0.8.4", "num-scheduler-steps") == []
    (gone,) = said_of("vllm 0.12.0", "num-scheduler-steps")
    (early,) = said_of("vllm 0.6.4", "speculative-config")
    assert gone.refused
    assert "vllm 0.12.0 has no more" in gone.sentence
    assert early.refused
    assert "vllm 0.6.4 does not have yet" in early.sentence


@pytest.mark.parametrize(
    ("engine", "flag", "value"),
    [("vllm 0.9.0", "dtype", "bfloat17"), ("vllm 0.9.0", "kv-cache-dtype", "fp7"), ("llama.cpp", "cache-type-k", "q9")],
)
def test_a_value_no_engine_takes_is_told(engine: str, flag: str, value: str) -> None:
    (found,) = unknown(Engine.parse(engine), {flag: value})
    assert found.refused
    assert f"--{flag} {value} is nothing {engine} takes" in found.sentence


@pytest.mark.parametrize("value", ["auto", "fp8", "fp8_e5m2", "fp8_ds_mla", "nvfp4", "bfloat16"])
def test_a_value_that_is_taken_is_passed_over(value: str) -> None:
    assert not list(unknown(Engine.parse("vllm 0.19.0"), {"kv-cache-dtype": value}))


def test_an_engine_without_a_version_is_taken_for_the_newest() -> None:
    flags = {"num-scheduler-steps": 8}
    assert not list(unknown(Engine("vllm"), flags))
    assert [each.refused for each in unknown(Engine("vllm"), flags, Version("0.33.0"))] == [True]


def test_what_is_written_is_harmless_on_a_screen() -> None:
    (found,) = said_of("vllm 0.9.0", "max-\x1b[31mlen")
    assert "\x1b" not in found.sentence
