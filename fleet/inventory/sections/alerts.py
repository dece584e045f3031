"""Alerts of the fleet file: their keys, rules that cannot be, and the `Alerts` they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fleet.inventory import fields
from fleet.inventory.alerts import QUANTITIES, SEVERITIES, USUAL_RULES, AlertRule, Alerts
from fleet.inventory.codes import CODES, no_such_code
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean
from fleet.inventory.sections.entry import Entry, LineOrNone, MayBeEmpty, Name, Severity, Span, VariableOrNone, text
from fleet.units import DayHours, parse_day_hours

Number = Annotated[float, Field(allow_inf_nan=False)]


class AlertRuleEntry(Entry):
    """One thing to be told of."""

    finding: LineOrNone = Field(
        default=None, description="a finding's code, or error, warning or info: every finding at least that bad"
    )
    state: Literal["down"] | None = Field(default=None, description="down: a model that failed or was stopped")
    quantity: Annotated[str | None, text(fields.checked_line, "|".join(QUANTITIES))] = Field(
        default=None, description="a figure of each GPU, model or host, with above: or below:"
    )
    above: Number | None = Field(default=None, description="it is too much from here on")
    below: Number | None = Field(default=None, description="it is too little from here on")
    clear: Number | None = Field(default=None, description="where it is over again, such as 85 with above: 90")
    seconds: Span = Field(default=0.0, alias="for", description="how long it must be so, such as 5min")
    clear_for: Span = Field(default=60.0, description="how long it must be over, such as 1min")
    severity: Severity | None = Field(default=None, description="how bad it is")


class AlertsEntry(Entry):
    """What operators are told of, when and how."""

    rules: Annotated[dict[Name, AlertRuleEntry], MayBeEmpty] = Field(
        default_factory=dict, description="in place of the usual ones"
    )
    bell: bool = Field(default=False, description="ring the terminal's bell")
    desktop: bool = Field(default=False, description="show a notification, in terminals that can")
    webhook_env: VariableOrNone = Field(
        default=None, description="the environment variable that holds the webhook's URL, which is a secret"
    )
    webhook_file: LineOrNone = Field(
        default=None, description="the file that holds the webhook's URL, relative to this file"
    )
    quiet: Annotated[DayHours | None, text(parse_day_hours)] = Field(
        default=None, description="hours in which only errors are told, such as 22:00-06:00"
    )


def alerts(said: AlertsEntry | None, folder: Path) -> Alerts | None:
    """What is told; None where nothing is. The webhook's file is named from the fleet file's folder."""
    if said is None:
        return None
    return Alerts(
        rules=tuple(_rule(name, rule) for name, rule in said.rules.items()) or USUAL_RULES,
        bell=said.bell,
        desktop=said.desktop,
        webhook_env=said.webhook_env,
        webhook_file=folder / Path(said.webhook_file).expanduser() if said.webhook_file else None,
        quiet=said.quiet,
    )


def _rule(name: str, entry: AlertRuleEntry) -> AlertRule:
    return AlertRule(
        name=name,
        finding=entry.finding,
        state=entry.state,
        quantity=entry.quantity,
        above=entry.above,
        below=entry.below,
        clear=entry.clear,
        seconds=entry.seconds,
        clear_seconds=entry.clear_for,
        severity=entry.severity,
    )


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
