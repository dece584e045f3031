"""vLLM's figures out of the series Prometheus holds of it, by model of the fleet file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from fleet.model import Model
from fleet.readings import EngineReading
from fleet.telemetry.prometheus.naming import HostNames
from fleet.telemetry.prometheus.subjects import Subject
from fleet.telemetry.vllm_metrics import KV_USAGE, RUNNING, WAITING


def engines(subjects: Iterable[Subject], models: Sequence[Model], names: HostNames) -> dict[str, EngineReading]:
    """What vLLM says of itself, by model: one that Prometheus scrapes answers, so it is healthy.

    With data parallelism, of all engines together: requests summed, the KV cache of the fullest.
    """
    mine: dict[str, list[Subject]] = {}
    for subject in subjects:
        model = serving(subject.labels, models, names)
        if model is not None:
            mine.setdefault(model.name, []).append(subject)
    return {name: _reading(found) for name, found in mine.items()}


def serving(labels: Mapping[str, str], models: Sequence[Model], names: HostNames) -> Model | None:
    """The model these labels are about: the one at that port of that host, else the only one of that name there.

    Labels that name no host of the fleet, as those of a pod, may be about any model of its name.
    """
    host = names.host(labels)
    here = [model for model in models if model.place and (host is None or model.place.host == host)]
    port = labels.get("instance", "").rpartition(":")[2]
    at_port = [model for model in here if host and model.url and str(urlsplit(model.url).port) == port]
    named = [model for model in here if labels.get("model_name") in _names(model)]
    return next((found[0] for found in (at_port, named) if len(found) == 1), None)


def _names(model: Model) -> tuple[str, ...]:
    """What vLLM calls a model it serves: the first of its served names, or else its source."""
    served = str(model.args.get("served-model-name") or model.source or model.name)
    return (served, *served.replace(",", " ").split()[:1])


def _reading(subjects: Sequence[Subject]) -> EngineReading:
    usage = next((found for name in KV_USAGE if (found := _values(subjects, name))), [])
    running, waiting = _values(subjects, RUNNING), _values(subjects, WAITING)
    return EngineReading(
        healthy=True,
        kv_usage=min(1.0, max(usage)) if usage else None,
        running=round(sum(running)) if running else None,
        waiting=round(sum(waiting)) if waiting else None,
    )


def _values(subjects: Sequence[Subject], name: str) -> list[float]:
    return [value for subject in subjects if 0 <= (value := subject.values.get(name, -1.0)) < 1e12]
