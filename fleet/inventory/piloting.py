"""What is wrong with how a fleet file leaves things to the autopilot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Models and roles there are not, rotations that rotate nothing, bounds that cross."""
    said, models = mapping(file.get("autopilot")), mapping(file.get("models"))
    roles = sorted({role for model in models.values() if isinstance(role := mapping(model).get("role"), str)})
    for name, rotation in mapping(said.get("rotation")).items():
        keys = ("autopilot", "rotation", name)
        if name not in models:
            yield Complaint(keys, f"there is no model {name!r}; {did_you_mean(name, models)}", of_key=True)
        if isinstance(rotation, dict) and not rotation:
            yield Complaint(keys, f"rotation of {name} says neither hours nor idle_for.", of_key=True)
    for name, scaling in mapping(said.get("roles")).items():
        keys = ("autopilot", "roles", name)
        if name not in roles:
            yield Complaint(keys, f"no model has the role {name!r}; {did_you_mean(name, roles)}", of_key=True)
        least, most = (mapping(scaling).get(key, 1) for key in ("least", "most"))
        if isinstance(least, int) and isinstance(most, int) and least > most:
            message = f"role {name} has at least {least} models and at most {most}."
            yield Complaint((*keys, "least"), message)
