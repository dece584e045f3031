"""What the fleet file leaves to the autopilot: its keys, what cannot be, and the `Autopilot` it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from fleet.inventory.autopilot import Autopilot, Rotation, Scaling
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean
from fleet.inventory.sections.entry import Entry, Line, MayBeEmpty, Name, Span
from fleet.inventory.sections.policy import WindowsEntry, unknown_roles, windows


class RotationEntry(Entry):
    """When one model is loaded."""

    hours: WindowsEntry | None = Field(
        default=None, description="in which it is loaded; outside them it is unloaded once nothing runs or waits there"
    )
    idle_for: Span | None = Field(default=None, description="how long without a request until it is unloaded")


class ScalingEntry(Entry):
    """How many models serve a role."""

    least: Annotated[int, Field(ge=0)] = Field(default=1, description="as many at any time")
    most: Annotated[int, Field(ge=1)] = Field(default=1, description="no more than these; disabled models are enabled")
    waiting: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=4.0, description="requests waiting for each of them that are too many"
    )
    kv_usage: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="share of their KV caches in use that is too much"
    )
    seconds: Span = Field(
        default=120.0, alias="for", description="how long it must be too much until one more is loaded"
    )
    idle_for: Span = Field(
        default=1200.0, description="how long one less must have stayed below half of both until one is unloaded"
    )


class AutopilotEntry(Entry):
    """What is left to `gpudeck autopilot`, which proposes it, and does it with --act."""

    acts_per_hour: Annotated[int, Field(ge=1)] = Field(default=4, description="starts and stops at most in any hour")
    settle: Span = Field(
        default=600.0, description="after an act, how long nothing is done about the same model or role"
    )
    rotation: Annotated[dict[Name, RotationEntry], MayBeEmpty] = Field(
        default_factory=dict, description="models that are loaded by the clock, or unloaded when idle"
    )
    roles: Annotated[dict[Line, ScalingEntry], MayBeEmpty] = Field(
        default_factory=dict, description="roles that more or fewer models serve, as they are asked for"
    )


def autopilot(said: AutopilotEntry | None) -> Autopilot | None:
    """What is left to it; None where nothing is."""
    if said is None:
        return None
    return Autopilot(
        said.acts_per_hour,
        said.settle,
        tuple(Rotation(name, windows(each.hours), each.idle_for) for name, each in said.rotation.items()),
        tuple(
            Scaling(role, each.least, each.most, each.waiting, each.kv_usage, each.seconds, each.idle_for)
            for role, each in said.roles.items()
        ),
    )


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Models and roles there are not, rotations that rotate nothing, bounds that cross."""
    said, models = mapping(file.get("autopilot")), mapping(file.get("models"))
    for name, rotation in mapping(said.get("rotation")).items():
        keys = ("autopilot", "rotation", name)
        if name not in models:
            yield Complaint(keys, f"there is no model {name!r}; {did_you_mean(name, models)}", of_key=True)
        if isinstance(rotation, dict) and not rotation:
            yield Complaint(keys, f"rotation of {name} says neither hours nor idle_for.", of_key=True)
    yield from unknown_roles(file, ("autopilot", "roles"), said.get("roles"))
    for name, scaling in mapping(said.get("roles")).items():
        least, most = (mapping(scaling).get(key, 1) for key in ("least", "most"))
        if isinstance(least, int) and isinstance(most, int) and least > most:
            message = f"role {name} has at least {least} models and at most {most}."
            yield Complaint(("autopilot", "roles", name, "least"), message)
