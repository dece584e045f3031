"""Simulated engines say what real ones of their version say, and what they say tells of their traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet.simulator.api import respond
from fleet.simulator.physics import Run
from fleet.telemetry.engines.asking import DIALECTS
from fleet.telemetry.engines.exposition import parse
from fleet.telemetry.engines.rates import Look, Span
from fleet.telemetry.engines.vllm import cache_config
from fleet.telemetry.engines.vocabulary import Vocabulary, gauges, rates

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Bench

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
VLLM = DIALECTS["vllm"].words


def page(run: Run) -> str:
    return respond(run, "GET", "/metrics", b"").body.decode()


def minute(bench: Bench, run: Run, words: Vocabulary) -> dict[str, Any]:
    """What a minute of traffic looks like from outside."""
    bench.machine.advance(bench.machine.now + 300)
    before = Look(0, parse(page(run), words.names))
    bench.machine.advance(bench.machine.now + 60)
    span = Span(before, Look(60, parse(page(run), words.names)))
    return gauges(words, span.after.samples) | rates(words, span, span)


@pytest.mark.parametrize(
    ("version", "says", "says_not"),
    [
        ("0.7.3", {"vllm:cpu_cache_usage_perc", "vllm:gpu_cache_usage_perc"}, {"vllm:kv_cache_usage_perc"}),
        ("0.10.2", {"vllm:kv_cache_usage_perc", "vllm:time_per_output_token_seconds"}, {"vllm:cpu_cache_usage_perc"}),
        ("0.21.0", {"vllm:engine_sleep_state", "vllm:inter_token_latency_seconds"}, {"vllm:gpu_cache_usage_perc"}),
    ],
)
def test_vllm_uses_the_names_of_its_version(bench: Bench, version: str, says: set[str], says_not: set[str]) -> None:
    run = bench.vllm(LLAMA_8B, "--gpu-memory-utilization", "0.5", version=version)
    families = {family.name: family for family in text_string_to_metric_families(page(run))}
    assert says <= set(families)
    assert not says_not & set(families)
    engines = {sample.labels.get("engine") for sample in families["vllm:num_requests_running"].samples}
    assert engines == ({"0"} if version != "0.7.3" else {None})


def test_a_minute_of_chat_tells_throughput_and_latencies(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B, "--gpu-memory-utilization", "0.5")
    told = minute(bench, run, VLLM)
    assert 700 < told["tokens_per_second"] < 1500
    assert 0.4 < told["requests_per_second"] < 1.0
    assert told["prompt_tokens_per_second"] > 3 * told["tokens_per_second"]
    assert 0.3 < told["ttft_p50_seconds"] < told["ttft_p95_seconds"] < 8
    assert 0.01 < told["inter_token_p50_seconds"] < told["inter_token_p95_seconds"] < 0.1
    assert 20 < told["end_to_end_p50_seconds"] < told["end_to_end_p95_seconds"] < 120
    assert (told["errors"], told["preemptions"]) == (0, 0)


def test_vllm_says_the_blocks_it_really_has(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B, "--gpu-memory-utilization", "0.5")
    assert run.load is not None
    config = cache_config(parse(page(run), VLLM.names))
    assert config["cache_blocks"] * config["cache_block_size"] == run.load.serving.kv_tokens


def test_llama_cpp_counts_its_tokens(bench: Bench) -> None:
    model = "/srv/models/MAI-DS-R1-Q4_K_M.gguf"
    run = bench.start("/opt/llama.cpp/bin/llama-server", "--model", model, "--metrics", gpus="4,5,6")
    told = minute(bench, run, DIALECTS["llama.cpp"].words)
    assert 5 < told["tokens_per_second"] < 25
    assert told["ttft_p50_seconds"] is None


def test_a_reranker_tells_requests_and_how_long_each_takes(bench: Bench) -> None:
    run = bench.start("/usr/local/bin/text-embeddings-router", "--model-id", "BAAI/bge-reranker-v2-m3", gpus="3")
    told = minute(bench, run, DIALECTS["text-embeddings-inference"].words)
    assert 10 < told["requests_per_second"] < 50
    assert 0.05 < told["end_to_end_p50_seconds"] < told["end_to_end_p95_seconds"] < 0.5
