"""Engines' figures out of the series Prometheus holds of them, by model of the fleet file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fleet.model import Model
from fleet.readings import EngineReading, EngineWord
from fleet.telemetry.engines import sglang, vllm
from fleet.telemetry.engines.exposition import Series
from fleet.telemetry.engines.rates import Look, Meter
from fleet.telemetry.engines.vocabulary import Vocabulary, gauges, rates
from fleet.telemetry.prometheus.answers import Sample
from fleet.telemetry.prometheus.naming import HostNames

ENGINES: Mapping[str, Vocabulary] = {"vllm": vllm.WORDS, "sglang": sglang.WORDS}
"""Engines whose series say by their names whose they are."""
DATED = tuple(name for words in ENGINES.values() for name in words.running.names)
"""What each engine always says; when that was scraped, so was everything else it says."""
_NAMES = frozenset().union(*(words.names for words in ENGINES.values()))
BUCKETS = tuple(sorted(name for name in _NAMES if name.endswith("_bucket")))
FIGURES = tuple(sorted(_NAMES.difference(BUCKETS)))

_PLAUSIBLE = 1e15
"""No count or gauge of an engine is larger."""
_Target = tuple[str, str]
"""What Prometheus scrapes at a time: job and instance."""


@dataclass(slots=True)
class _Found:
    at: float
    samples: dict[Series, float] = field(default_factory=dict)


def looks(
    samples: Sequence[Sample], times: Iterable[Sample], models: Sequence[Model], names: HostNames, freshest: float
) -> dict[str, Look]:
    """What the engines of each model say together, and when it was scraped by the server's clock.

    Args:
        samples: Of FIGURES, or of BUCKETS.
        times: When each set of labels was last scraped.
        models: Those to look for.
        names: Tells hosts.
        freshest: Seconds; what is older is left out.
    """
    scraped: dict[_Target, float] = {}
    serves: dict[_Target, Model] = {}
    for time in times:
        model = serving(time.labels, models, names)
        if model is not None and time.asked_at - time.value <= freshest:
            target = _target(time)
            scraped[target] = max(time.value, scraped.get(target, 0.0))
            serves[target] = model
    found: dict[str, _Found] = {}
    for sample in samples:
        target = _target(sample)
        model = serves.get(target)
        if model is not None and sample.name in _NAMES and 0 <= sample.value < _PLAUSIBLE:
            mine = found.setdefault(model.name, _Found(scraped[target]))
            mine.at = max(mine.at, scraped[target])
            mine.samples[_series(sample, ENGINES[model.engine.name].replica)] = sample.value
    return {name: Look(each.at, each.samples) for name, each in found.items()}


def serving(labels: Mapping[str, str], models: Sequence[Model], names: HostNames) -> Model | None:
    """The model these labels are about: the one at that port of that host, else the only one of that name there.

    Labels that name no host of the fleet, as those of a pod, may be about any model of its name.
    """
    if "model_name" not in labels:
        return None
    host = names.host(labels)
    here = [model for model in models if model.place and (host is None or model.place.host == host)]
    port = labels.get("instance", "").rpartition(":")[2]
    at_port = [model for model in here if host and model.url and str(urlsplit(model.url).port) == port]
    named = [model for model in here if labels["model_name"] in _names(model)]
    return next((found[0] for found in (at_port, named) if len(found) == 1), None)


class EngineMeter:
    """What one model's engines do, from one look to the next."""

    def __init__(self, engine: str) -> None:
        """Nothing was seen yet of the engine of that name."""
        self._engine = engine
        self._words = ENGINES[engine]
        self._counts = Meter(self._words.counters)
        self._buckets = Meter(self._words.counters)
        self._latencies: dict[str, float | None] = {}

    def see_buckets(self, look: Look) -> None:
        """Look at the histograms, which are many and asked for seldom."""
        spans = self._buckets.spans(look)
        told = rates(self._words, *spans) if spans else {}
        self._latencies = {key: value for key, value in told.items() if key.endswith("_seconds")}

    def forget(self) -> None:
        """Begin anew: the engine is not there."""
        self._counts.forget()
        self._buckets.forget()
        self._latencies = {}

    def reading(self, look: Look) -> EngineReading:
        """What there is to say now: an engine that Prometheus scrapes answers, so it is well."""
        fields: dict[str, Any] = gauges(self._words, look.samples)
        if self._engine == "vllm":
            fields |= {"sleep": vllm.sleep_state(look.samples), **vllm.cache_config(look.samples)}
        spans = self._counts.spans(look)
        if spans is not None:
            fields |= rates(self._words, *spans)
        return EngineReading(healthy=True, word=EngineWord.READY, **(fields | self._latencies))


def _target(sample: Sample) -> _Target:
    return sample.labels.get("job", ""), sample.labels.get("instance", "")


def _series(sample: Sample, replica: str) -> Series:
    """The series, its replica told apart from those of the same number at other addresses."""
    apart = f"{sample.labels.get('instance', '')} {sample.labels.get(replica, '')}"
    return Series(sample.name, tuple(sorted({**sample.labels, replica: apart}.items())))


def _names(model: Model) -> tuple[str, ...]:
    """What an engine calls a model it serves: the first of its served names, or else its source."""
    served = str(model.args.get("served-model-name") or model.source or model.name)
    return (served, *served.replace(",", " ").split()[:1])
