"""A plan: the draft as ordered steps, each with what it needs, and how things stood before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from fleet.commands import Write
from fleet.findings import Finding
from fleet.inventory.changes import Change
from fleet.model import GpuId


class Action(StrEnum):
    """What a step does to a model's service."""

    DRAIN = "drain"
    """Wait until it serves no request, or the deadline."""
    STOP = "stop"
    WRITE = "write"
    """Put our overlay in place."""
    REMOVE = "remove"
    """Take our overlay away, so that the operator's own definition holds."""
    START = "start"
    WAIT = "wait"
    """Wait until it serves and its memory has settled where it belongs."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model should hold on one GPU once it serves."""

    gpu: GpuId
    pci: str
    low_bytes: int
    high_bytes: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What a model takes of one GPU."""

    gpu: GpuId
    needs_bytes: int
    """Free memory its start takes."""
    held_bytes: int
    """What it holds there once it serves."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to one model's service on one host. Safe to repeat."""

    n: int
    """From 1, in the order of the plan."""
    action: Action
    model: str
    host: str
    service: str
    """As the fleet file writes it."""
    gpus: tuple[GpuId, ...]
    """The GPUs whose memory it changes or watches."""
    commands: tuple[Write, ...] = ()
    needs_bytes: int | None = None
    """Of a start: free memory it takes, on the GPU with the least to spare."""
    free_bytes: int | None = None
    """Of a start: what is free there after the steps before it."""
    holds: tuple[Hold, ...] = ()
    """Of a start: what the model takes of each GPU."""
    seconds: float = 0.0
    """How long it should take; of a drain, how long at most."""
    basis: str = ""
    """Of a wait: where its seconds are known from, such as ``3 starts on gpu01``."""
    expects: tuple[Expected, ...] = ()
    """Of a wait: what the model should hold; empty where nobody knows."""
    asks_health: bool = False
    """Of a wait: whether the model has an endpoint that must say it is healthy."""
    check: tuple[str, ...] = ()
    """Of a wait: the words of the operator's own command that must succeed, before its commands are run."""
    timeout: float | None = None
    """Of a wait: seconds after which it has failed, as the fleet file says; None = by what it should take."""
    requests: int = 0
    """Of a drain: requests that ran or waited when the plan was made; at most so many are cut at its deadline."""

    @property
    def overlay(self) -> str | None:
        """Of a write: the overlay's text, the last thing it writes."""
        return next((command.stdin.decode() for command in reversed(self.commands) if command.stdin), None)

    @property
    def fits(self) -> bool:
        """Whether the memory it needs is free."""
        return self.needs_bytes is None or self.free_bytes is None or self.needs_bytes <= self.free_bytes


@dataclass(frozen=True, slots=True)
class Former:
    """How one model's service stood on one host before the plan, and so how a rollback leaves it."""

    model: str
    host: str
    service: str
    become: str
    gpus: tuple[GpuId, ...]
    running: bool
    overlay: str | None
    """Our overlay then; None where there was none."""
    needs_bytes: int
    """Free memory its start takes, on the GPU where it takes most."""
    seconds: float
    """How long its start should take."""
    holds: tuple[Hold, ...] = ()
    """What it takes of each GPU, while it runs."""
    expects: tuple[Expected, ...] = ()
    asks_health: bool = False
    check: tuple[str, ...] = ()
    timeout: float | None = None
    leaving: tuple[Write, ...] = ()
    """What takes it out of service before a stop."""
    joining: tuple[Write, ...] = ()
    """What brings it back once it serves."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A draft turned into steps."""

    fleet: str
    world: str
    """Digest of the world it was made from."""
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    """Of the fleet after it."""
    steps: tuple[Step, ...]
    formers: tuple[Former, ...]
    """Of every service it touches."""
    downtime_seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Of each model that serves now and will serve again: from its stop until it serves."""
    stays_stopped: tuple[str, ...] = ()
    """Models that serve now and will not after it."""
    roles_lost: tuple[str, ...] = ()
    """Roles that some model serves now and none will after it."""
    requests: int = 0
    """Requests running or waiting now on the models it stops."""
    free_bytes: Mapping[GpuId, int] = field(default_factory=lambda: MappingProxyType({}))
    """What is free on each GPU before the first step."""
    reason: str = ""
    """Why, where it was not an operator who wanted it."""

    @property
    def seconds(self) -> float:
        """How long all of it should take."""
        return sum(step.seconds for step in self.steps)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it touches, in the order of its steps."""
        return tuple(dict.fromkeys(step.host for step in self.steps))

    @property
    def unproven(self) -> tuple[Step, ...]:
        """The starts for which no order of steps leaves enough memory free."""
        return tuple(step for step in self.steps if not step.fits)
