"""What the engines say at ``/metrics``: the real ones' names and labels, by version."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.estimate.vllm.versions import Generation, era
from fleet.simulator.engine import Api
from fleet.simulator.latency import Histogram
from fleet.simulator.physics import Run
from fleet.simulator.traffic import Load
from fleet.simulator.vllm_settings import BLOCK

_STOPPED = 0.9
"""Share of requests that end by themselves, not at their longest."""
_INPUT_TOKENS = 180
"""Mean of a text to embed or rank."""


def metrics(run: Run, load: Load) -> str:
    """The page of a program that serves."""
    match load.serving.api:
        case Api.VLLM:
            lines = _vllm(run, load)
        case Api.LLAMA:
            lines = _llama(load)
        case Api.PLAIN:
            lines = _embeddings(load)
    return "".join(f"{line}\n" for line in lines)


def _vllm(run: Run, load: Load) -> Iterator[str]:
    version = run.launch.version
    v0 = era(version, "amd").generation is Generation.V0
    labels = {"model_name": load.serving.model}
    if version >= (0, 10):
        labels = {"engine": "0", **labels}
    yield from _gauge(
        "vllm:num_requests_running", "Number of requests in model execution batches.", labels, load.running
    )
    yield from _gauge("vllm:num_requests_waiting", "Requests waiting to be processed.", labels, load.waiting)
    if v0:
        yield from _gauge("vllm:num_requests_swapped", "Number of requests swapped to CPU.", labels, 0)
        yield from _gauge("vllm:cpu_cache_usage_perc", "CPU KV-cache usage. 1 means 100 percent usage.", labels, 0)
        yield from _gauge("vllm:gpu_prefix_cache_hit_rate", "GPU prefix cache block hit rate.", labels, -1)
    usage = "vllm:kv_cache_usage_perc" if version >= (0, 10) else "vllm:gpu_cache_usage_perc"
    yield from _gauge(usage, "KV-cache usage. 1 means 100 percent usage.", labels, load.kv_usage)
    if version >= (0, 12):
        yield from _sleep(labels)
    yield from _cache(run, load, {"engine": "0"} if version >= (0, 10) else {})
    yield from _vllm_counts(load, labels)
    token = "inter_token_latency" if version >= (0, 11) else "time_per_output_token"
    for name, histogram in (
        ("time_to_first_token", load.latencies.first_token),
        (token, load.latencies.inter_token),
        ("e2e_request_latency", load.latencies.request),
    ):
        yield from _histogram(f"vllm:{name}_seconds", f"Histogram of {name.replace('_', ' ')}.", labels, histogram)


def _vllm_counts(load: Load, labels: dict[str, str]) -> Iterator[str]:
    stopped = round(load.finished * _STOPPED)
    yield from _counter("vllm:num_preemptions_total", "Cumulative number of preemptions.", labels, 0)
    yield from _counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.", labels, load.prompt_tokens)
    yield from _counter(
        "vllm:generation_tokens_total", "Number of generation tokens processed.", labels, load.generated_tokens
    )
    yield "# HELP vllm:request_success_total Count of successfully processed requests."
    yield "# TYPE vllm:request_success_total counter"
    for reason, count in (("stop", stopped), ("length", load.finished - stopped)):
        yield _sample("vllm:request_success_total", {"finished_reason": reason, **labels}, count)


def _sleep(labels: dict[str, str]) -> Iterator[str]:
    yield "# HELP vllm:engine_sleep_state Engine sleep state."
    yield "# TYPE vllm:engine_sleep_state gauge"
    for state, value in (("awake", 1), ("weights_offloaded", 0), ("discard_all", 0)):
        yield _sample("vllm:engine_sleep_state", {**labels, "sleep_state": state}, value)


def _cache(run: Run, load: Load, labels: dict[str, str]) -> Iterator[str]:
    arguments = run.launch.arguments
    config = {
        "block_size": str(BLOCK),
        "cache_dtype": str(arguments.get("kv-cache-dtype", "auto")),
        "cpu_offload_gb": "0",
        **labels,
        "gpu_memory_utilization": str(arguments.get("gpu-memory-utilization", 0.9)),
        "num_gpu_blocks": str(load.serving.kv_tokens // BLOCK),
        "num_gpu_blocks_override": "None",
    }
    yield from _gauge("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", config, 1)


def _llama(load: Load) -> Iterator[str]:
    seconds = load.generated_tokens / load.serving.traffic.tokens_per_second
    for name, value in (
        ("prompt_tokens_total", load.prompt_tokens),
        ("tokens_predicted_total", load.generated_tokens),
        ("tokens_predicted_seconds_total", seconds),
    ):
        yield from _counter(f"llamacpp:{name}", name.replace("_", " "), {}, value)
    for name, value in (
        ("predicted_tokens_seconds", load.serving.traffic.tokens_per_second),
        ("requests_processing", load.running),
        ("requests_deferred", load.waiting),
    ):
        yield from _gauge(f"llamacpp:{name}", name.replace("_", " "), {}, value)


def _embeddings(load: Load) -> Iterator[str]:
    method = {"method": "single"}
    yield from _counter("te_request_count", "Requests.", method, load.finished + load.running)
    yield from _counter("te_request_success", "Requests answered.", method, load.finished)
    yield from _gauge("te_queue_size", "Requests in the queue.", {}, load.waiting)
    yield _sample("te_request_input_length_sum", {}, load.finished * _INPUT_TOKENS)
    yield from _histogram("te_request_duration", "Seconds of a request.", {}, load.latencies.request)


def _gauge(name: str, says: str, labels: dict[str, str], value: float) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} gauge"
    yield _sample(name, labels, value)


def _counter(name: str, says: str, labels: dict[str, str], value: float) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} counter"
    yield _sample(name, labels, value)


def _histogram(name: str, says: str, labels: dict[str, str], histogram: Histogram) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} histogram"
    count = 0
    for edge, count in histogram.buckets():
        yield _sample(f"{name}_bucket", {**labels, "le": edge}, count)
    yield _sample(f"{name}_count", labels, count)
    yield _sample(f"{name}_sum", labels, histogram.sum)


def _sample(name: str, labels: dict[str, str], value: float) -> str:
    text = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{text}}} {float(value)}" if text else f"{name} {float(value)}"
