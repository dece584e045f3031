"""vLLM's own words, by version."""

from __future__ import annotations

import pytest

from fleet.estimate.vllm import refusals
from fleet.estimate.vllm.versions import Era, era
from fleet.model import Version
from fleet.units import GiB

_TRY = "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
_HELP = " See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."


def cuda(version: str) -> Era:
    return era(Version(version), "nvidia")


def too_long(current: Era) -> str:
    return refusals.sequence_too_long(
        current, length=32_000, tokens=18_208, needed=8 * GiB, available=round(4.45 * GiB), longest=18_208
    ).sentence


def test_v0_counts_tokens() -> None:
    assert too_long(cuda("0.7.3")) == (
        "The model's max seq len (32000) is larger than the maximum number of tokens that can be stored in KV "
        f"cache (18208). {_TRY}"
    )


@pytest.mark.parametrize(
    ("version", "sizes"),
    [
        ("0.8.0", "(8.00 GB KV cache is needed, which is larger than the available KV cache memory (4.45 GB). "),
        (
            "0.8.5",
            "(8.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.45 GiB). "
            "Based on the available memory,  ",
        ),
        (
            "0.11.0",
            "(8.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.45 GiB). "
            "Based on the available memory, the estimated maximum model length is 18208. ",
        ),
    ],
)
def test_v1_counts_bytes(version: str, sizes: str) -> None:
    start = "To serve at least one request with the models's max seq len (32000), "
    assert too_long(cuda(version)) == start + sizes + _TRY


def test_from_0_13_the_sentence_points_to_the_documents_and_from_0_14_rounds_otherwise() -> None:
    assert too_long(cuda("0.13.0")).endswith(_TRY + _HELP)
    assert "(8.00 GiB KV cache" in too_long(cuda("0.13.0"))
    assert "(8.0 GiB KV cache" in too_long(cuda("0.14.1"))


def test_from_0_22_the_model_has_one_apostrophe_and_the_way_out_speaks_of_cpus() -> None:
    assert too_long(cuda("0.33.0")) == (
        "To serve at least one request with the model's max seq len (32000), (8.0 GiB KV cache is needed, which is "
        "larger than the available KV cache memory (4.45 GiB). Based on the available memory, the estimated maximum "
        "model length is 18208. Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU "
        "backend) or decreasing `max_model_len` when initializing the engine." + _HELP
    )


def test_no_cache_memory() -> None:
    old = (
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine"
    )
    assert refusals.no_cache_memory(cuda("0.9.0")).sentence == f"{old}."
    assert refusals.no_cache_memory(cuda("0.22.1")).sentence == (
        f"{old} (this flag also controls CPU memory reservation on the CPU backend, despite its name).{_HELP}"
    )


@pytest.mark.parametrize(("version", "device"), [("0.9.2", "on device (67.24"), ("0.19.0", "on device cuda:1 (67.24")])
def test_the_start_up_check_names_the_device_from_0_14_on(version: str, device: str) -> None:
    refusal = refusals.not_enough_free(
        cuda(version),
        rank=1,
        free=round(67.24 * GiB),
        total=round(79.254 * GiB),
        utilization=0.9,
        requested=int(79.254 * GiB * 0.9),
    )
    assert refusal.sentence == (
        f"Free memory {device}/79.25 GiB) on startup is less than desired GPU memory utilization (0.9, 71.33 GiB). "
        "Decrease GPU memory utilization or reduce GPU memory used by other processes."
    )


def test_a_batch_must_hold_its_sequences() -> None:
    short = refusals.batch_too_small(tokens=2048, length=4096, sequences=256, chunked=False)
    narrow = refusals.batch_too_small(tokens=128, length=4096, sequences=256, chunked=True)
    assert short is not None and short.sentence.startswith(
        "max_num_batched_tokens (2048) is smaller than max_model_len (4096)."
    )
    assert narrow is not None and narrow.sentence == (
        "max_num_batched_tokens (128) must be greater than or equal to max_num_seqs (256)."
    )
    assert refusals.batch_too_small(tokens=2048, length=4096, sequences=256, chunked=True) is None
