"""What each engine calls its figures, by era, and a reading from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from fleet.telemetry.engines.exposition import Samples, Series
from fleet.telemetry.engines.rates import Span, Where, quantile


def _any(series: Series) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Term:
    """One figure in an engine's words."""

    names: tuple[str, ...] = ()
    """The newest first, for an engine may go on saying the old one beside it."""
    where: Where = _any
    """Which of the series of that name are meant."""

    def name(self, samples: Samples) -> str | None:
        """The name this engine uses; None where it says nothing of it."""
        said = {series.name for series in samples}
        return next((name for name in self.names if name in said), None)

    def of(self, samples: Samples) -> list[tuple[Series, float]]:
        """The series that are meant."""
        name = self.name(samples)
        return [(series, value) for series, value in samples.items() if series.name == name and self.where(series)]


@dataclass(frozen=True)
class Vocabulary:
    """An engine's terms. Counters only grow while it lives, gauges come and go."""

    running: Term = Term()
    waiting: Term = Term()
    kv_usage: Term = Term()
    prompt_tokens: Term = Term()
    generated_tokens: Term = Term()
    finished: Term = Term()
    errors: Term = Term()
    preemptions: Term = Term()
    time_to_first_token: Term = Term()
    """The buckets of a histogram in seconds, as the two after it."""
    inter_token: Term = Term()
    end_to_end: Term = Term()
    generating: Term = Term()
    """A gauge of generated tokens a second, for an engine that measures better than its counters do."""
    facts: tuple[str, ...] = ()
    """Names of series that say something else."""
    replica: str = "engine"
    """The label that tells engines with requests of their own apart. Ranks of one engine repeat its figures."""
    counts_late: bool = False
    """It counts tokens when their request ends, so that only a long time shows a rate."""

    _GAUGES = ("running", "waiting", "kv_usage", "generating")

    @cached_property
    def names(self) -> frozenset[str]:
        """Every series' name of interest."""
        terms = (getattr(self, field.name) for field in fields(self))
        return frozenset(self.facts).union(*(term.names for term in terms if isinstance(term, Term)))

    @cached_property
    def counters(self) -> frozenset[str]:
        """The names of those that only grow while an engine lives."""
        gauges = {name for key in self._GAUGES for name in getattr(self, key).names}
        return self.names - gauges - frozenset(self.facts)


def gauges(words: Vocabulary, samples: Samples) -> dict[str, Any]:
    """The fields of an `EngineReading` that one look tells."""
    usage = [value for _, value in words.kv_usage.of(samples)]
    return {
        "running": _whole(_over_replicas(words, words.running, samples)),
        "waiting": _whole(_over_replicas(words, words.waiting, samples)),
        "kv_usage": min(1.0, max(usage)) if usage else None,
        "errors": _total(words.errors, samples),
        "preemptions": _total(words.preemptions, samples),
    }


def rates(words: Vocabulary, short: Span, long: Span) -> dict[str, float | None]:
    """The fields of an `EngineReading` that take two looks: over the last seconds, and over the last minute."""
    tokens = long if words.counts_late else short
    samples = short.after.samples
    generating = _over_replicas(words, words.generating, samples)
    if generating is not None and not _over_replicas(words, words.running, samples):
        generating = 0.0  # it is not measured anew while nothing runs
    return {
        "tokens_per_second": _rate(words.generated_tokens, tokens) if generating is None else generating,
        "prompt_tokens_per_second": _rate(words.prompt_tokens, tokens),
        "requests_per_second": _rate(words.finished, long),
        **_latency("ttft", words.time_to_first_token, long),
        **_latency("inter_token", words.inter_token, long),
        **_latency("end_to_end", words.end_to_end, long),
    }


def _over_replicas(words: Vocabulary, term: Term, samples: Samples) -> float | None:
    """The sum over engines, each with the largest figure any of its ranks gives."""
    largest: dict[str, float] = {}
    for series, value in term.of(samples):
        replica = series.label(words.replica)
        largest[replica] = max(value, largest.get(replica, 0.0))
    return sum(largest.values()) if largest else None


def _total(term: Term, samples: Samples) -> int | None:
    return None if term.name(samples) is None else round(sum(value for _, value in term.of(samples)))


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _rate(term: Term, span: Span) -> float | None:
    name = term.name(span.after.samples)
    return None if name is None else span.rate(name, term.where)


def _latency(field: str, term: Term, span: Span) -> dict[str, float | None]:
    name = term.name(span.after.samples)
    buckets = span.buckets(name, term.where) if name else {}
    return {f"{field}_p50_seconds": quantile(buckets, 0.5), f"{field}_p95_seconds": quantile(buckets, 0.95)}


def labelled(label: str, test: Callable[[str], bool]) -> Where:
    """Whether a series' label passes a test."""
    return lambda series: test(series.label(label))
