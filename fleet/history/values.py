"""What the history keeps: readings of GPUs and models, events, and starts of engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Kind(StrEnum):
    """What has readings."""

    GPU = "gpu"
    MODEL = "model"


class Subject(NamedTuple):
    """One GPU or model, by the name people use: ``gpu01/3``, ``llama-3.1-8b``."""

    kind: Kind
    name: str


class Quantity(NamedTuple):
    """One measured figure of a kind."""

    name: str
    scale: int = 1
    """It is kept as a whole number of 1/scale: a small whole number takes one or two bytes, a fraction eight."""


QUANTITIES: Mapping[Kind, tuple[Quantity, ...]] = {
    Kind.GPU: (
        Quantity("used_bytes"),
        Quantity("busy_percent"),
        Quantity("temperature_c"),
        Quantity("memory_temperature_c"),
        Quantity("power_w"),
    ),
    Kind.MODEL: (
        Quantity("used_bytes"),
        Quantity("kv_usage", 10_000),
        Quantity("running"),
        Quantity("waiting"),
        Quantity("tokens_per_second", 10),
        Quantity("requests_per_second", 100),
        Quantity("ttft_p95_seconds", 1000),
    ),
}
"""The figures of each kind. A new one gets its columns when a file is next opened."""


class Sample(NamedTuple):
    """What was read of one subject."""

    subject: Subject
    identity: str
    """Who it really is: for a GPU its host, PCI address and partition, which outlive its index; else its name."""
    values: tuple[float | None, ...]
    """In the order of `QUANTITIES`; None = not measured."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What was read at one time."""

    at: int
    """Unix seconds."""
    samples: tuple[Sample, ...]


class EventKind(StrEnum):
    """What an event is about."""

    LINK = "link"
    """A host's link: live, stale, lost, unreachable."""
    BOOT = "boot"
    """A host's boot id."""
    STATE = "state"
    """A model's state in one word."""
    PLACE = "place"
    """Where the fleet file has a model."""
    FINDING = "finding"
    """A finding, by its code and subject; None once it is gone."""
    ROLLOUT = "rollout"
    """How a rollout ended."""
    ALERT = "alert"
    """An alert, by its rule and subject; None once it is over."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something became so. It stays so until the next event of that kind and subject."""

    at: int
    """Unix seconds."""
    kind: EventKind
    subject: str
    value: str | None
    """What it became; None = it is no more."""
    before: str | None = None
    """What it was; None = unknown, or not there. Known only of an event that was read back."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All findings there are at one time; those recorded before and not among them are gone."""

    at: int
    findings: Mapping[str, str]
    """Sentence by code and subject."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of an engine on one GPU: what was reckoned and what came."""

    at: int
    """Unix seconds of its first line, or where its lines carry no time, of when it was read."""
    run: str
    """What names the run on its host; with model and GPU, the start's identity."""
    model: str
    gpu: str
    build: str
    """The engine's name, and its version as it prints it."""
    arguments: str
    """A digest of the arguments it was started with."""
    predicted: Mapping[str, int]
    """Bytes by part: ``weights``, ``kv_cache``, ``activations``, ``graphs``, ``context``."""
    measured: Mapping[str, int]
    """What the engine printed of them, and ``non_torch``, what it counted beside its tensors."""
    outcome: str
    """``started``, ``refused``, ``oom`` or ``failed``."""
    sentence: str = ""
    """The engine's own words where it did not start."""
    alone: bool = True
    """Whether nobody else changed the GPU's memory while it measured."""
    seconds: float | None = None
    """From its first line to the one that says it serves; None where none did."""
    given: Mapping[str, str | int | float | bool | None] = field(default_factory=lambda: MappingProxyType({}))
    """The arguments it was started with, without secrets; empty where they were not kept."""


Entry = Frame | Event | Standing | Start


class Tier(NamedTuple):
    """One resolution readings are kept in."""

    name: str
    seconds: int
    """Width of one bucket."""
    kept: int
    """Seconds for which buckets are kept."""


DAY = 86_400
RAW = Tier("raw", 1, DAY)
MINUTE = Tier("minute", 60, 8 * DAY)
HOUR = Tier("hour", 3600, 400 * DAY)
TIERS = (RAW, MINUTE, HOUR)
