"""The era table: what each vLLM version does, on each platform."""

from __future__ import annotations

import pytest

from fleet.architecture.catalogue import find
from fleet.estimate.vllm.settings import Settings, resolve
from fleet.estimate.vllm.versions import Generation, Sampler, default_batch, era, sampler
from fleet.hardware import accelerator
from fleet.model import Arguments, Scalar, Version

V0, V1 = Generation.V0, Generation.V1


@pytest.mark.parametrize(
    ("version", "vendor", "generation"),
    [
        ("0.7.3", "nvidia", V0),
        ("0.8.0", "nvidia", V1),
        ("0.9.0", "amd", V0),
        ("0.9.1", "amd", V0),
        ("0.9.2", "amd", V1),
        ("0.33.0", "amd", V1),
    ],
)
def test_rocm_ran_the_v0_engine_longer(version: str, vendor: str, generation: Generation) -> None:
    assert era(Version(version), vendor).generation is generation


@pytest.mark.parametrize(
    ("version", "vendor", "checks"),
    [
        ("0.9.0", "nvidia", False),
        ("0.9.1", "nvidia", True),
        ("0.9.1", "amd", False),
        ("0.9.2", "amd", True),
        ("0.33.0", "amd", True),
    ],
)
def test_only_the_v1_engine_checks_free_memory_and_only_from_0_9_1(version: str, vendor: str, checks: bool) -> None:
    assert era(Version(version), vendor).checks_free_memory is checks


def test_the_default_share_rose_with_0_20() -> None:
    assert era(Version("0.19.1"), "amd").default_utilization == 0.90
    assert era(Version("0.20.0"), "amd").default_utilization == 0.92


def test_graphs_came_into_the_budget_later_on_rocm() -> None:
    into = {vendor: [v for v in (19, 20, 25, 26) if era(Version(f"0.{v}.0"), vendor).graphs_in_budget]
            for vendor in ("nvidia", "amd")}  # fmt: skip
    assert into == {"nvidia": [20, 25, 26], "amd": [26]}


@pytest.mark.parametrize(
    ("version", "vendor", "charges"),
    [
        ("0.6.3", "nvidia", False),
        ("0.6.4", "nvidia", True),
        ("0.6.6", "nvidia", False),
        ("0.9.0", "nvidia", True),
        ("0.9.1", "nvidia", False),
        ("0.9.0", "amd", False),
    ],
)
def test_some_versions_count_their_neighbours_as_their_own(version: str, vendor: str, charges: bool) -> None:
    assert era(Version(version), vendor).charges_neighbours is charges


@pytest.mark.parametrize(
    ("version", "name", "batch"),
    [
        ("0.9.2", "MI300X", (8192, 1024)),
        ("0.27.1", "MI300X", (8192, 1024)),
        ("0.28.0", "MI300X", (16384, 1024)),
        ("0.28.0", "H200", (8192, 1024)),
        ("0.8.5", "A100-80GB", (8192, 1024)),
        ("0.9.2", "A100-80GB", (2048, 256)),
        ("0.19.0", "L40S", (2048, 256)),
        ("0.8.0", "MI300X", (2048, 1024)),
    ],
)
def test_the_default_batch_follows_version_and_memory(version: str, name: str, batch: tuple[int, int]) -> None:
    card = accelerator(name)
    assert default_batch(era(Version(version), card.vendor), card) == batch


def test_an_unknown_version_is_reckoned_as_the_newest() -> None:
    assert era(None, "amd") == era(Version("0.33.0"), "amd")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.16.0", Sampler.SORT),
        ("0.17.0", Sampler.TRITON),
        ("0.28.0", Sampler.TRITON),
        ("0.32.0", Sampler.LOGITS),
        ("0.33.0", Sampler.WARMED),
    ],
)
def test_the_sampling_pass_changed_four_times(version: str, expected: Sampler) -> None:
    llama = find("meta-llama/Llama-3.1-8B-Instruct")
    assert llama is not None
    assert sampler(era(Version(version), "amd"), llama) is expected


def settings(source: str, version: str = "0.9.0", **args: Scalar) -> Settings:
    architecture, card = find(source), accelerator("MI300X")
    assert architecture is not None
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return resolve(flags, architecture, era(Version(version), card.vendor), card)


@pytest.mark.parametrize(("length", "tokens"), [(32_768, 32_768), (32_769, 2048), (1024, 2048)])
def test_v0_chunks_prefill_only_above_32768(length: int, tokens: int) -> None:
    found = settings("meta-llama/Llama-3.1-8B-Instruct", max_model_len=length)
    assert (found.batched_tokens, found.sequences) == (tokens, 256)


def test_v0_chunks_neither_multimodal_models_nor_latent_attention() -> None:
    assert settings("google/gemma-3-27b-it").batched_tokens == 131_072
    assert settings("deepseek-ai/DeepSeek-R1").batched_tokens == 163_840


def test_v0_chunks_where_it_is_told_to() -> None:
    found = settings("meta-llama/Llama-3.1-8B-Instruct", max_model_len=8192, enable_chunked_prefill=True)
    assert found.batched_tokens == 2048


def test_v1_batches_no_more_than_its_sequences_can_hold() -> None:
    found = settings("meta-llama/Llama-3.1-8B-Instruct", "0.28.0", max_num_seqs=4, max_model_len=1000)
    assert (found.batched_tokens, found.sequences) == (4000, 4)


@pytest.mark.parametrize(("written", "length"), [("32k", 32_000), ("32K", 32_768), (32_768, 32_768)])
def test_lengths_are_read_as_vllm_reads_them(written: Scalar, length: int) -> None:
    assert settings("meta-llama/Llama-3.1-8B-Instruct", max_model_len=written).max_model_len == length
