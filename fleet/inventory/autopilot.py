"""What the operators leave to the autopilot: models that come and go, and roles that grow and shrink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.windows import Windows


@dataclass(frozen=True, slots=True)
class Rotation:
    """When one model is loaded. It is unloaded only while nothing runs or waits there."""

    model: str
    hours: Windows | None = None
    """In which it is loaded, and out of which it is not; None = whenever somebody enables it."""
    idle_seconds: float | None = None
    """Outside its hours it is unloaded after so long without a request; None = it stays."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Between how many models a role is served, and by what measure.

    It grows when either measure has been exceeded for a time, and shrinks when one model less would still stay below
    half of both for a longer time: between the two nothing happens.
    """

    role: str
    least: int = 1
    most: int = 1
    waiting: float = 4.0
    """Requests waiting for each serving model that are too many."""
    kv_usage: float = 0.9
    """Share of their KV caches in use, 0..1, that is too much."""
    seconds: float = 120.0
    """How long it must be too much."""
    idle_seconds: float = 1200.0
    """How long it must be too little."""


@dataclass(frozen=True, slots=True)
class Autopilot:
    """All that is left to the autopilot, and how much it may do."""

    acts_per_hour: int = 4
    """Starts and stops of models, in any hour."""
    settle_seconds: float = 600.0
    """After an act, how long nothing is done about the same model or role."""
    rotation: tuple[Rotation, ...] = ()
    roles: tuple[Scaling, ...] = ()
