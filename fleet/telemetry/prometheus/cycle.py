"""What one cycle of queries says of every host. Pure: answers in, readings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.inventory import Host
from fleet.model import Model
from fleet.readings import HostReading
from fleet.telemetry.engines.rates import Look
from fleet.telemetry.prometheus.answers import Vector
from fleet.telemetry.prometheus.engines import looks
from fleet.telemetry.prometheus.figures import FIGURES
from fleet.telemetry.prometheus.gpus import exported_gpus, numbered, reading
from fleet.telemetry.prometheus.naming import HostNames
from fleet.telemetry.prometheus.subjects import Subject, subjects
from fleet.text import clean

FRESH_SECONDS = 90.0
"""Age up to which a sample counts as live: one and a half of the longest usual scrape interval, a minute."""
_SHOWN = 3
"""Unknown machines that are named as examples."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """What is said of one host."""

    reading: HostReading | None
    age_seconds: float = 0.0
    """Since its newest sample was scraped."""
    reason: str = ""
    """Why there is no reading, or why it is not whole, as a sentence."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """What is said of the fleet."""

    hosts: Mapping[str, HostReport]
    """Every host asked about, by name."""
    engines: Mapping[str, Look]
    """What engines say, by model; only what was scraped of late, by the server's clock."""
    buckets: Mapping[str, Look]
    """Their histograms; empty in a cycle that does not ask for them."""


def read_cycle(
    answers: Sequence[Vector], hosts: Sequence[Host], models: Sequence[Model], names: HostNames, number: int
) -> Cycle:
    """Read the answers to `queries.values`, `queries.times` and perhaps `queries.buckets`.

    ``number`` counts the cycles.
    """
    values, times, *rest = answers
    buckets = rest[0].samples if rest else ()
    gpus: dict[str, list[Subject]] = {host.name: [] for host in hosts}
    unknown: dict[str, None] = {}
    exported = (sample for sample in values.samples if sample.name in FIGURES)
    for subject in subjects(exported, times.samples):
        host = names.host(subject.labels)
        if host is None:
            unknown[names.said(subject.labels)] = None
        elif host in gpus:
            gpus[host].append(subject)
    nobody = _nobody(tuple(unknown))
    warning = values.warning or times.warning
    reports = {host.name: _report(host, gpus[host.name], number, nobody, warning) for host in hosts}
    told, histograms = (
        looks(samples, times.samples, models, names, FRESH_SECONDS) for samples in (values.samples, buckets)
    )
    return Cycle(reports, told, histograms)


def _report(host: Host, told: Sequence[Subject], number: int, nobody: str, warning: str) -> HostReport:
    if not told:
        return HostReport(None, reason=f"Prometheus has no GPU of {host.name} now{nobody}. {warning}".rstrip())
    age = min(subject.age_seconds for subject in told)
    current = [subject for subject in told if subject.age_seconds <= age + FRESH_SECONDS]
    gpus = exported_gpus(
        sorted(current, key=lambda subject: -subject.age_seconds)
    )  # so that the newest has the last word
    if not gpus:
        return HostReport(None, reason=f"Of {host.name} Prometheus has slices of GPUs (MIG) only, not the GPUs.")
    by_number = numbered(gpus, host.gpus)
    if not by_number:
        return HostReport(None, reason=f"The GPUs Prometheus has of {host.name} cannot be told apart by their labels.")
    found = tuple(reading(index, by_number[index]) for index in sorted(by_number))
    exporter = next(iter(gpus.values())).exporter
    whole = HostReading(boot_id="", sequence=number, uptime_seconds=0.0, gpus=found, processes=(), exporter=exporter)
    return HostReport(whole, age, _shortcomings(host, whole, age, warning))


def _shortcomings(host: Host, found: HostReading, age: float, warning: str) -> str:
    if age > FRESH_SECONDS:
        return f"Prometheus has not scraped {host.name} for more than {FRESH_SECONDS:.0f} s."
    here = sum(gpu.identity.hip_index < host.gpus for gpu in found.gpus)
    missing = f"{here} of the {host.gpus} GPUs of {host.name} are in Prometheus." if here < host.gpus else ""
    return f"{missing} {warning}".strip()


def _nobody(unknown: Sequence[str]) -> str:
    """What else there is, for whoever has to find the label that names a host."""
    said = [clean(name, 60) for name in unknown if name]
    if not said:
        return ""
    more = ", …" if len(said) > _SHOWN else ""
    return f"; it has GPUs of {', '.join(said[:_SHOWN])}{more}, which no host of the fleet file is called"
