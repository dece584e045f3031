"""What vLLM says of itself at ``/metrics``, in the words of every version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

KV_USAGE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
"""A share, 0..1, in spite of its name. vLLM 0.10 and later; up to 0.9."""
RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"

LINE_LIMIT = 2048
"""Lines parsed of one scrape: five for each of the engines of the largest deployments."""


@dataclass(frozen=True, slots=True)
class VllmFigures:
    """One scrape. With data parallelism, of all engines together. None = not said."""

    kv_usage: float | None = None
    """Share of the KV cache in use in the fullest engine, 0..1."""
    running: int | None = None
    waiting: int | None = None


def parse(text: str) -> VllmFigures:
    """Read the text of a scrape. What is missing or makes no sense stays None."""
    values = _values(text, (*KV_USAGE, RUNNING, WAITING))
    usage = next((values[name] for name in KV_USAGE if values[name]), [])
    return VllmFigures(
        min(1.0, max(usage)) if usage else None,
        round(sum(values[RUNNING])) if values[RUNNING] else None,
        round(sum(values[WAITING])) if values[WAITING] else None,
    )


def _values(text: str, names: Iterable[str]) -> dict[str, list[float]]:
    """Plausible values by series name. Only lines that may hold one are parsed, of the thousands of a scrape."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, list[float]] = {name: [] for name in names}
    lines = (line for line in text.splitlines() if line.startswith(tuple(found)))
    for line in islice(lines, LINE_LIMIT):
        try:
            families = list(text_string_to_metric_families(line + "\n"))
        except ValueError:
            continue
        for sample in (sample for family in families for sample in family.samples):
            if sample.name in found and 0 <= sample.value < 1e12:
                found[sample.name].append(sample.value)
    return found
