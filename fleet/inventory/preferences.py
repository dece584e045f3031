"""What is wrong with what the operators say about findings and policies: codes and roles nobody has, bad bands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.inventory.codes import CODES, no_such_code
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Codes there are no findings of, under ``findings:`` and ``ignore:``, and size classes that contradict."""
    said = mapping(file.get("findings"))
    ignored = said.get("ignore")
    for number, code in enumerate(ignored if isinstance(ignored, list) else []):
        yield from _unknown(("findings", "ignore", str(number)), code)
    for code in mapping(said.get("severity")):
        yield from _unknown(("findings", "severity", code), code)
    for name, model in mapping(file.get("models")).items():
        for code in mapping(mapping(model).get("ignore")):
            yield from _unknown(("models", name, "ignore", code), code)
    yield from _roles(file)
    yield from _size_classes(mapping(file.get("policy")).get("utilization"))


def _unknown(keys: tuple[str, ...], code: Plain) -> Iterator[Complaint]:
    if isinstance(code, str) and code not in CODES:
        yield Complaint(keys, no_such_code(code), of_key=True)


def _roles(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Roles no model has, under ``redundancy:`` and ``restart_of:``: a slip of the pen would never be found."""
    roles = [
        role for model in mapping(file.get("models")).values() if isinstance(role := mapping(model).get("role"), str)
    ]
    for keys in (("policy", "redundancy"), ("policy", "rebalance", "restart_of")):
        said: Plain | None = file.get(keys[0])
        for key in keys[1:]:
            said = mapping(said).get(key)
        for role in mapping(said):
            if role not in roles:
                known = did_you_mean(role, dict.fromkeys(roles)) if roles else "no model has one."
                yield Complaint((*keys, role), f"no model has the role {role!r}; {known}", of_key=True)


def _size_classes(classes: Plain) -> Iterator[Complaint]:
    """Each class's band the right way round, the classes ascending, and only the last without an end."""
    below = 0.0
    for number, entry in enumerate(classes if isinstance(classes, list) else []):
        keys, size_class = ("policy", "utilization", str(number)), mapping(entry)
        low, high, end = (_number(size_class.get(key)) for key in ("low", "high", "below"))
        if low is not None and high is not None and low > high:
            yield Complaint((*keys, "low"), f"low of size class {number + 1} is above its high of {high:g}.")
        if below == float("inf"):
            yield Complaint(keys, f"size class {number + 1} is never reached; the one before it has no below:.")
        elif end is not None and end <= below:
            yield Complaint((*keys, "below"), f"below of size class {number + 1} must be above {below:g}.")
        below = float("inf") if "below" not in size_class else max(below, end or 0.0)


def _number(value: Plain | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
