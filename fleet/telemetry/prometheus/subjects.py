"""What is told under one set of labels, of one GPU, with its age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.telemetry.prometheus.answers import Sample


@dataclass(frozen=True, slots=True)
class Subject:
    """Whatever these labels are about."""

    labels: Mapping[str, str]
    age_seconds: float
    """Since it was scraped."""
    values: dict[str, float]
    """By name of the series."""


def subjects(values: Iterable[Sample], times: Iterable[Sample]) -> tuple[Subject, ...]:
    """Values with the same labels, together; what has no time is left out.

    Args:
        values: Of every series.
        times: When those labels were last scraped, in Unix seconds of the server's clock.
    """
    ages = {frozenset(time.labels.items()): max(0.0, time.asked_at - time.value) for time in times}
    found: dict[frozenset[tuple[str, str]], Subject] = {}
    for sample in values:
        key = frozenset(sample.labels.items())
        subject = found.get(key)
        if subject is None and key in ages:
            subject = found[key] = Subject(sample.labels, ages[key], {})
        if subject is not None:
            subject.values[sample.name] = sample.value
    return tuple(found.values())
