from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fleet.simulator.api import respond
from fleet.telemetry.engines.exposition import parse
from fleet.telemetry.engines.vllm import WORDS
from fleet.telemetry.engines.vocabulary import gauges

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Bench

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
SERVER = ("/opt/llama.cpp/bin/llama-server", "--model", "/srv/models/MAI-DS-R1-Q4_K_M.gguf")


def test_vllm_says_how_busy_it_is_under_its_versions_names(bench: Bench) -> None:
    old = bench.vllm(LLAMA_8B, "--gpu-memory-utilization", "0.5")
    new = bench.vllm(LLAMA_8B, "--gpu-memory-utilization", "0.5", gpus="1", version="0.33.0")
    bench.machine.advance(bench.machine.now + 200)
    for run, name in ((old, "vllm:gpu_cache_usage_perc{"), (new, "vllm:kv_cache_usage_perc{")):
        text = respond(run, "GET", "/metrics", b"").body.decode()
        figures = gauges(WORDS, parse(text, WORDS.names))
        assert name in text
        assert run.load is not None
        assert (figures["running"], figures["waiting"]) == (run.load.running, run.load.waiting)
        assert figures["kv_usage"] == run.load.kv_usage
        assert 15 < run.load.running < 33


def test_health_is_200_once_it_serves(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B)
    assert respond(run, "GET", "/health", b"").status == 200
    bench.machine.stop(run)
    assert respond(run, "GET", "/health", b"").status == 503


def test_llama_cpp_listens_while_it_loads_and_says_so(bench: Bench) -> None:
    run = bench.begin(*SERVER, gpus="4,5,6")
    bench.machine.advance(bench.machine.now + 10)
    assert run.answers
    reply = respond(run, "GET", "/health", b"")
    assert reply.status == 503
    assert json.loads(reply.body)["error"]["message"] == "Loading model"


def test_llama_cpp_tells_its_metrics_only_where_it_was_started_so(bench: Bench) -> None:
    assert respond(bench.start(*SERVER, gpus="0,1,2"), "GET", "/metrics", b"").status == 501
    told = respond(bench.start(*SERVER, "--metrics", gpus="4,5,6"), "GET", "/metrics", b"")
    assert b"llamacpp:requests_processing " in told.body


def test_one_token_comes_back_and_is_counted(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B)
    body = json.dumps({"model": LLAMA_8B, "prompt": "Hi", "max_tokens": 1}).encode()
    reply = json.loads(respond(run, "POST", "/v1/completions", body).body)
    assert reply["choices"][0]["text"] == "Hello"
    assert reply["usage"]["completion_tokens"] == 1
    assert run.load is not None
    assert run.load.finished == 1


def test_only_the_embeddings_router_embeds(bench: Bench) -> None:
    router = bench.start("/usr/local/bin/text-embeddings-router", "--model-id", "BAAI/bge-reranker-v2-m3", gpus="3")
    assert len(json.loads(respond(router, "POST", "/embed", b"{}").body)[0]) == 4
    assert respond(bench.vllm(LLAMA_8B), "POST", "/embed", b"{}").status == 404


def test_a_request_that_is_none_is_refused(bench: Bench) -> None:
    assert respond(bench.vllm(LLAMA_8B), "POST", "/v1/completions", b"[]").status == 400


def test_models_are_listed_with_their_length(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B, "--max-model-len", "4096")
    (entry,) = json.loads(respond(run, "GET", "/v1/models", b"").body)["data"]
    assert (entry["id"], entry["max_model_len"]) == (LLAMA_8B, 4096)


def test_an_unknown_page_is_not_found(bench: Bench) -> None:
    assert respond(bench.vllm(LLAMA_8B), "GET", "/none", b"").status == 404
