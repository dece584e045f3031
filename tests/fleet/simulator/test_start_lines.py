"""What simulated engines print is what a real one's log is read for: its own figures come back, by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleet.calibration.reading import read_starts
from fleet.startup import Ending
from fleet.units import GiB

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Bench

QWEN = "Qwen/Qwen3-32B"


@pytest.mark.parametrize("version", ["0.9.0", "0.9.2", "0.11.0", "0.19.0", "0.28.0"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_each_rank_s_figures_are_in_the_log_of_its_version(bench: Bench, version: str, ranks: int) -> None:
    gpus = ",".join(map(str, range(ranks)))
    run = bench.vllm(QWEN, "--max-model-len", "8192", "--tensor-parallel-size", str(ranks), gpus=gpus, version=version)
    (start,) = read_starts("vllm", bench.log(run))
    assert (start.ending, start.build, start.max_model_len) == (Ending.STARTED, version, 8192)
    assert len(start.ranks) == ranks
    for rank in start.ranks:
        assert rank.weights is not None and rank.cache is not None and rank.graphs is not None
        assert rank.weights.bytes == pytest.approx(61.3 * GiB / ranks, rel=0.01)
    assert (start.cache_blocks or start.cache_tokens or 0) > 0
    assert (start.ranks[0].activations is not None) == (version == "0.9.0"), "V1 prints no parts"


def test_a_refusal_is_read_back_in_the_engine_s_words(bench: Bench) -> None:
    run = bench.vllm(QWEN, "--gpu-memory-utilization", "0.2")
    (start,) = read_starts("vllm", bench.log(run))
    assert start.ending is Ending.REFUSED
    assert "No available memory for the cache blocks" in start.sentence


def test_llama_cpp_s_buffers_are_told_by_gpu(bench: Bench) -> None:
    words = ("/usr/local/bin/llama-server", "--model", "/srv/models/MAI-DS-R1-Q4_K_M.gguf", "--ctx-size", "32768")
    run = bench.start(*words, gpus="0,1,2")
    (start,) = read_starts("llama.cpp", bench.log(run))
    assert [rank.speaker for rank in start.ranks] == ["ROCm0", "ROCm1", "ROCm2"]
    assert start.cache_tokens == 32768
    for number, rank in enumerate(start.ranks):
        assert rank.weights is not None and rank.cache is not None and rank.activations is not None
        held = rank.weights.bytes + rank.cache.bytes + rank.activations.bytes
        assert held / GiB == pytest.approx(bench.held(run, number) - 0.24, abs=0.1)
