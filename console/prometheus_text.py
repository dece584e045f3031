"""The fleet at one moment as one scrape page in Prometheus' text format: what `METRICS` lists, all gauges.

Every series has the label ``fleet``; sizes are bytes, shares 0..1, ages seconds. What was not measured has no series,
nor has what was measured on a host that is lost since: a scrape would make it look new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fleet.readings import EngineReading, GpuReading, Link
from fleet.state import FleetState, GpuState, HostState, ModelState, ModelWord

Row = tuple[tuple[str, ...], float | None]
"""Values of the labels, and the value; None = not known, and not shown."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One name on the page."""

    name: str
    help: str
    labels: tuple[str, ...]
    """Beside ``fleet``."""
    rows: Callable[[FleetState], Iterable[Row]]


def page(state: FleetState) -> str:
    """The page, with HELP and TYPE of every metric that has a value."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector

    class Frame(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            for metric in METRICS:
                family = GaugeMetricFamily(metric.name, metric.help, labels=("fleet", *metric.labels))
                for values, value in metric.rows(state):
                    if value is not None:
                        family.add_metric([state.fleet, *values], value)
                if family.samples:
                    yield family

    registry = CollectorRegistry()
    registry.register(Frame())
    return generate_latest(registry).decode()


def _host_states(state: FleetState) -> Iterator[Row]:
    for host in state.hosts:
        for link in Link:
            yield (host.name, link), host.link is link


def _gpu(value: Callable[[GpuState], float | None]) -> Callable[[FleetState], Iterator[Row]]:
    return lambda state: (((gpu.gpu.host, str(gpu.gpu.index)), value(gpu)) for gpu in state.gpus)


def _measured(value: Callable[[GpuState], float | None]) -> Callable[[FleetState], Iterator[Row]]:
    return lambda state: (
        ((host.name, str(gpu.gpu.index)), value(gpu)) for host in state.hosts if _is_read(host) for gpu in host.gpus
    )


def _read(value: Callable[[GpuReading], float | None]) -> Callable[[FleetState], Iterator[Row]]:
    return _measured(lambda gpu: value(gpu.reading) if gpu.reading else None)


def _is_read(host: HostState) -> bool:
    return host.link.is_heard


def _gpu_infos(state: FleetState) -> Iterator[Row]:
    for gpu in state.gpus:
        yield (gpu.gpu.host, str(gpu.gpu.index), gpu.pci or "", gpu.accelerator), 1


def _model(value: Callable[[ModelState], float | None]) -> Callable[[FleetState], Iterator[Row]]:
    return lambda state: (((model.name,), value(model)) for model in state.models)


def _engine(value: Callable[[EngineReading], float | None]) -> Callable[[FleetState], Iterator[Row]]:
    return _model(lambda model: None if model.word is ModelWord.UNKNOWN else value(model.engine))


def _latencies(state: FleetState) -> Iterator[Row]:
    for model in state.models:
        engine = model.engine
        told = {
            "first_token": (engine.ttft_p50_seconds, engine.ttft_p95_seconds),
            "inter_token": (engine.inter_token_p50_seconds, engine.inter_token_p95_seconds),
            "end_to_end": (engine.end_to_end_p50_seconds, engine.end_to_end_p95_seconds),
        }
        for of, (half, most) in told.items():
            if model.word is not ModelWord.UNKNOWN:
                yield (model.name, of, "p50"), half
                yield (model.name, of, "p95"), most


def _model_states(state: FleetState) -> Iterator[Row]:
    for model in state.models:
        for word in ModelWord:
            yield (model.name, word), model.word is word


def _model_used(state: FleetState) -> Iterator[Row]:
    read = {host.name for host in state.hosts if _is_read(host)}
    for model in state.models:
        for gpu, size in model.used_by_gpu.items():
            if gpu.host in read:
                yield (model.name, gpu.host, str(gpu.index)), size


def _model_estimates(state: FleetState) -> Iterator[Row]:
    for gpu in state.gpus:
        for name, share in gpu.outlook.shares:
            kinds = {
                "weights": share.weights_bytes,
                "kv_cache": share.kv_cache_bytes,
                "activations": share.activations_bytes,
                "graphs": share.graphs_bytes,
                "context": share.context_bytes,
            }
            for kind, size in kinds.items():
                yield (name, gpu.gpu.host, str(gpu.gpu.index), kind), size


def _findings(state: FleetState) -> Iterator[Row]:
    counted = Counter(
        (found.code, str(found.severity), str(found.tense), found.model or "", str(found.gpu or ""))
        for found in state.findings
    )
    yield from counted.items()


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


_GPU = ("host", "gpu")
_PLACED = ("model", "host", "gpu")

METRICS = (
    Metric(
        "gpudeck_host_state", "1 for the state the host's readings are in, else 0.", ("host", "state"), _host_states
    ),
    Metric(
        "gpudeck_host_reading_age_seconds",
        "Age of the host's newest reading.",
        ("host",),
        lambda state: (((host.name,), host.age_seconds) for host in state.hosts),
    ),
    Metric("gpudeck_gpu_info", "A GPU of the fleet file; always 1.", (*_GPU, "pci", "accelerator"), _gpu_infos),
    Metric("gpudeck_gpu_memory_total_bytes", "Memory of the GPU.", _GPU, _gpu(lambda gpu: gpu.total_bytes)),
    Metric("gpudeck_gpu_memory_used_bytes", "Memory in use, measured.", _GPU, _measured(lambda gpu: gpu.used_bytes)),
    Metric(
        "gpudeck_gpu_memory_other_bytes",
        "Memory in use that belongs to no model of the fleet file, measured; the driver's is part of it.",
        _GPU,
        _measured(lambda gpu: gpu.other_bytes),
    ),
    Metric(
        "gpudeck_gpu_memory_unheld_bytes",
        "Memory in use that no process holds: the driver's own, and what it has not taken back.",
        _GPU,
        _measured(lambda gpu: gpu.unheld_bytes),
    ),
    Metric(
        "gpudeck_gpu_memory_estimate_bytes",
        "Memory the models placed there take at their peak, estimated; the driver's is part of it.",
        _GPU,
        _gpu(lambda gpu: gpu.outlook.peak_bytes),
    ),
    Metric(
        "gpudeck_gpu_memory_estimate_high_bytes",
        "The same at the high end of the estimate's spread.",
        _GPU,
        _gpu(lambda gpu: gpu.outlook.high_bytes),
    ),
    Metric(
        "gpudeck_gpu_busy_ratio", "Share of time the GPU computes.", _GPU, _read(lambda gpu: _share(gpu.busy_percent))
    ),
    Metric(
        "gpudeck_gpu_temperature_celsius",
        "Temperature of the GPU's junction.",
        _GPU,
        _read(lambda gpu: gpu.temperature_c),
    ),
    Metric(
        "gpudeck_gpu_memory_temperature_celsius",
        "Temperature of the GPU's memory.",
        _GPU,
        _read(lambda gpu: gpu.memory_temperature_c),
    ),
    Metric("gpudeck_gpu_power_watts", "Power the GPU draws.", _GPU, _read(lambda gpu: gpu.power_w)),
    Metric("gpudeck_gpu_power_cap_watts", "Power the GPU may draw.", _GPU, _read(lambda gpu: gpu.power_cap_w)),
    Metric("gpudeck_model_state", "1 for the state the model is in, else 0.", ("model", "state"), _model_states),
    Metric(
        "gpudeck_model_memory_used_bytes", "Memory the model's processes hold on a GPU, measured.", _PLACED, _model_used
    ),
    Metric(
        "gpudeck_model_memory_estimate_bytes",
        "Memory the model takes on a GPU at its peak, estimated, by what it is for; the kinds add up.",
        (*_PLACED, "kind"),
        _model_estimates,
    ),
    Metric(
        "gpudeck_model_kv_cache_tokens",
        "Tokens the model's KV cache holds, estimated.",
        ("model",),
        _model(lambda model: model.estimate.kv_cache_tokens if model.estimate else None),
    ),
    Metric(
        "gpudeck_model_kv_cache_usage_ratio",
        "Share of the model's KV cache in use, by its engine.",
        ("model",),
        _engine(lambda engine: engine.kv_usage),
    ),
    Metric(
        "gpudeck_model_requests_running",
        "Requests the model serves, by its engine.",
        ("model",),
        _engine(lambda engine: engine.running),
    ),
    Metric(
        "gpudeck_model_requests_waiting",
        "Requests that wait for the model, by its engine.",
        ("model",),
        _engine(lambda engine: engine.waiting),
    ),
    Metric(
        "gpudeck_model_tokens_per_second",
        "Tokens the model generates in a second, over the last seconds.",
        ("model",),
        _engine(lambda engine: engine.tokens_per_second),
    ),
    Metric(
        "gpudeck_model_prompt_tokens_per_second",
        "Tokens of prompts the model takes in a second, over the last seconds.",
        ("model",),
        _engine(lambda engine: engine.prompt_tokens_per_second),
    ),
    Metric(
        "gpudeck_model_requests_per_second",
        "Requests the model finishes in a second, over the last minute.",
        ("model",),
        _engine(lambda engine: engine.requests_per_second),
    ),
    Metric(
        "gpudeck_model_request_errors",
        "Requests that failed since the model's engine started.",
        ("model",),
        _engine(lambda engine: engine.errors),
    ),
    Metric(
        "gpudeck_model_preemptions",
        "Requests that lost their place in the KV cache since the model's engine started.",
        ("model",),
        _engine(lambda engine: engine.preemptions),
    ),
    Metric(
        "gpudeck_model_latency_seconds",
        "How long half (p50) or all but one in twenty (p95) wait: first_token, inter_token or end_to_end.",
        ("model", "of", "share"),
        _latencies,
    ),
    Metric(
        "gpudeck_findings",
        "Findings of one code about one model or GPU; `gpudeck explain CODE` says what it means.",
        ("code", "severity", "tense", "model", "gpu"),
        _findings,
    ),
)
