"""What reading engines' figures costs the console: ``python tests/benchmarks/engine_metrics.py``.

A page is as large as vLLM's of 2026: some 600 lines, most of which nobody asked for.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from time import process_time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fleet.telemetry.engines.exposition import parse
from fleet.telemetry.engines.rates import Look, Meter
from fleet.telemetry.engines.vllm import WORDS
from fleet.telemetry.engines.vocabulary import gauges, rates
from fleet.telemetry.watcher import CALM_INTERVALS

LABELS = {"engine": "0", "model_name": "meta-llama/Llama-3.1-8B-Instruct"}
EDGES = [0.001 * 1.6**step for step in range(22)]
OTHERS = 20
"""Histograms beside those we read."""


def page(number: int) -> str:
    """A page of an engine that has served so many requests."""
    registry = CollectorRegistry()
    for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        Gauge(f"vllm:{name}", name, list(LABELS), registry=registry).labels(**LABELS).set(0.5)
    for name in ("prompt_tokens", "generation_tokens", "num_preemptions"):
        Counter(f"vllm:{name}", name, list(LABELS), registry=registry).labels(**LABELS).inc(900 * number)
    read = ("time_to_first_token_seconds", "inter_token_latency_seconds", "e2e_request_latency_seconds")
    for name in (*read, *(f"request_other_{n}_seconds" for n in range(OTHERS))):
        histogram = Histogram(f"vllm:{name}", name, list(LABELS), registry=registry, buckets=EDGES).labels(**LABELS)
        for request in range(number):
            histogram.observe(request % 40 / 10)
    return generate_latest(registry).decode()


def milliseconds(action: Callable[[], object], times: int = 200) -> float:
    """CPU time of one of them."""
    action()
    began = process_time()
    for _ in range(times):
        action()
    return (process_time() - began) / times * 1000


def kept() -> int:
    """Bytes an engine's looks hold after two minutes."""
    samples = parse(page(10), WORDS.names)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    meter = Meter(WORDS.counters)
    for second in range(0, 120, CALM_INTERVALS):
        meter.spans(Look(float(second), dict(samples)))
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size


def main() -> None:
    """Measure and print."""
    first, second = page(10), page(20)
    meter = Meter(WORDS.counters)
    meter.spans(Look(0, parse(first, WORDS.names)))

    def look() -> None:
        samples = parse(second, WORDS.names)
        spans = meter.spans(Look(10, samples))
        assert spans is not None
        gauges(WORDS, samples)
        rates(WORDS, *spans)

    whole = milliseconds(lambda: list(text_string_to_metric_families(second)), 20)
    ours = milliseconds(look)
    print(f"{'a page':<44}{len(second) / 1000:>10.1f} kB, {second.count(chr(10)):,} lines")
    print(f"{'the parser over all of it':<44}{whole:>10.2f} ms CPU")
    print(f"{'ours: series wanted, rates, percentiles':<44}{ours:>10.2f} ms CPU")
    print(f"{'ratio':<44}{ours / whole:>10.3f}")
    print(f"{'engines one core reads at 1 s intervals':<44}{1000 / ours * CALM_INTERVALS:>10,.0f}")
    print(f"{'kept of one engine':<44}{kept() / 1000:>10.1f} kB")


if __name__ == "__main__":
    main()
