"""vLLM's figures out of the series Prometheus holds of it, by model of the fleet file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from fleet.model import Model
from fleet.readings import EngineReading
from fleet.telemetry.prometheus.answers import Sample
from fleet.telemetry.prometheus.naming import HostNames
from fleet.telemetry.vllm_metrics import KV_USAGE, RUNNING, WAITING


def engines(samples: Iterable[Sample], models: Sequence[Model], names: HostNames) -> dict[str, EngineReading]:
    """What vLLM says of itself, by model: one that Prometheus scrapes answers, so it is healthy.

    With data parallelism, of all engines together: requests summed, the KV cache of the fullest.
    """
    mine: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.name in (*KV_USAGE, RUNNING, WAITING) and sample.value >= 0:
            model = serving(sample, models, names)
            if model is not None:
                mine.setdefault(model.name, []).append(sample)
    return {name: _reading(found) for name, found in mine.items()}


def serving(sample: Sample, models: Sequence[Model], names: HostNames) -> Model | None:
    """The model a series is about: the one at that port of that host, else the only one of that name there.

    A series whose labels name no host of the fleet, as those of a pod, may be about any model of its name.
    """
    host = names.host(sample.labels)
    here = [model for model in models if model.place and (host is None or model.place.host == host)]
    port = sample.labels.get("instance", "").rpartition(":")[2]
    at_port = [model for model in here if host and model.url and str(urlsplit(model.url).port) == port]
    named = [model for model in here if sample.labels.get("model_name") in _names(model)]
    for found in (at_port, named):
        if len(found) == 1:
            return found[0]
    return None


def _names(model: Model) -> tuple[str, ...]:
    """What vLLM calls a model it serves: the first of its served names, or else its source."""
    served = str(model.args.get("served-model-name") or model.source or model.name)
    return (served, *served.replace(",", " ").split()[:1])


def _reading(samples: Sequence[Sample]) -> EngineReading:
    usage = next((found for name in KV_USAGE if (found := _values(samples, name))), [])
    running, waiting = _values(samples, RUNNING), _values(samples, WAITING)
    return EngineReading(
        healthy=True,
        kv_usage=min(1.0, max(usage)) if usage else None,
        running=round(sum(running)) if running else None,
        waiting=round(sum(waiting)) if waiting else None,
    )


def _values(samples: Sequence[Sample], name: str) -> list[float]:
    return [sample.value for sample in samples if sample.name == name and sample.value < 1e12]
