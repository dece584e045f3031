"""What is wrong with how a fleet file says what operators are told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.inventory.alerts import QUANTITIES, SEVERITIES
from fleet.inventory.codes import CODES, no_such_code
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Rules of nothing, of two things or of findings there are not, thresholds that cannot be, a webhook twice."""
    said = mapping(file.get("alerts"))
    if "webhook_env" in said and "webhook_file" in said:
        message = "alerts names its webhook twice; keep one of webhook_env and webhook_file."
        yield Complaint(("alerts", "webhook_file"), message, of_key=True)
    for name, rule in mapping(said.get("rules")).items():
        if isinstance(rule, dict):
            for key, message in _wrong(rule):
                keys = ("alerts", "rules", name, *([key] if key else ()))
                yield Complaint(keys, f"rule {name}: {message}", of_key=not key)


def _wrong(rule: Mapping[str, Plain]) -> Iterator[tuple[str, str]]:
    """The key that is wrong, or none where one is missing, and why."""
    if sum(key in rule for key in ("finding", "state", "quantity")) != 1:
        yield "", "give one of finding, state and quantity."
        return
    finding = rule.get("finding")
    if isinstance(finding, str) and finding not in CODES and finding not in SEVERITIES:
        yield "finding", no_such_code(finding)
    quantity = rule.get("quantity")
    if isinstance(quantity, str) and quantity not in QUANTITIES:
        yield "quantity", f"there is no quantity {quantity!r}; {did_you_mean(quantity, QUANTITIES)}"
    limits = [key for key in ("above", "below") if key in rule]
    if "quantity" not in rule:
        for key in (*limits, *(["clear"] if "clear" in rule else [])):
            yield key, f"{key} goes with a quantity."
        return
    if len(limits) != 1:
        yield "", "give one of above and below."
        return
    threshold, clear = rule[limits[0]], rule.get("clear")
    if isinstance(threshold, int | float) and isinstance(clear, int | float):
        if limits == ["above"] and clear > threshold:
            yield "clear", f"clear lies above {threshold:g}, so it would never begin."
        if limits == ["below"] and clear < threshold:
            yield "clear", f"clear lies below {threshold:g}, so it would never begin."
