"""A plan in words, for the plan screen and the command line alike."""

from __future__ import annotations

from typing import NamedTuple

from fleet.planning.plan import Plan, Step
from fleet.planning.window import OUTSIDE_WINDOW
from fleet.units import counted, duration, gib

OUTSIDE = "outside"
"""What is typed for a plan outside the maintenance windows."""


def headline(plan: Plan) -> str:
    """The worst of what is lost in one sentence: in words, minutes and requests in flight."""
    stops = plan.downtime_seconds or plan.stays_stopped
    return f"{_worst(plan)}; {_in_flight(plan)}." if stops else f"{_worst(plan)}."


def _worst(plan: Plan) -> str:
    lost = [f"{', '.join(plan.stays_stopped)} will stay stopped"] if plan.stays_stopped else []
    lost += [f"no model will serve the role {role} any more" for role in plan.roles_lost]
    doubtful = [model for model in wants_name(plan) if model not in plan.stays_stopped]
    lost += [f"{', '.join(doubtful)} may not serve after this"] if doubtful else []
    longest = max(plan.downtime_seconds.items(), key=lambda item: item[1], default=None)
    if longest is not None:
        others = len(plan.downtime_seconds) - 1
        more = f", {others} {'others' if others > 1 else 'other'} for less" if others else ""
        who = "it" if doubtful == [longest[0]] and len(lost) == 1 else longest[0]
        lost.append(f"{who} will not answer for about {duration(longest[1])}{more}")
    return "; ".join(lost) or "Nothing that serves now is interrupted"


def _in_flight(plan: Plan) -> str:
    if not plan.requests:
        return "no request is in flight there"
    return f"{counted(plan.requests, 'request')} in flight there"


def losses(plan: Plan) -> list[str]:
    """What is lost while the plan runs and after it, worst first, one sentence each."""
    sentences = [f"{model} will stay stopped." for model in plan.stays_stopped]
    sentences += [f"No model will serve the role {role} any more." for role in plan.roles_lost]
    sentences += [
        f"{step.model} is not expected to start: it needs {gib(step.needs_bytes or 0)} GiB free on "
        f"{', '.join(map(str, step.gpus))}, {gib(step.free_bytes or 0)} will be."
        for step in plan.unproven
    ]
    sentences += [f"{f.model} will have another address: {f.message}" for f in plan.findings if f.code == "RTE001"]
    sentences += [
        f"{model} will not answer for about {duration(seconds)}."
        for model, seconds in sorted(plan.downtime_seconds.items(), key=lambda item: -item[1])
    ]
    sentences += [
        f"{_requests(step.requests)} on {step.model}; its stop waits for up to "
        f"{duration(step.seconds)}, and then cuts what is left."
        for step in plan.steps
        if step.requests
    ]
    return sentences or ["Nothing that serves now is interrupted."]


class Confirmation(NamedTuple):
    """What an operator types before a plan may run, because a yes comes too easily."""

    word: str
    question: str


def confirmations(plan: Plan) -> tuple[Confirmation, ...]:
    """What is to be typed: the names of `wants_name`, and that it runs outside the maintenance windows."""
    late = [finding for finding in plan.findings if finding.code == OUTSIDE_WINDOW]
    return (
        *(Confirmation(OUTSIDE, f"{finding.message} Type outside to go on all the same") for finding in late),
        *(Confirmation(name, f"{_why(plan, name)} Type {name} to go on") for name in wants_name(plan)),
    )


def _why(plan: Plan, model: str) -> str:
    return f"{model} will stay stopped." if model in plan.stays_stopped else f"{model} may not serve after this."


def wants_name(plan: Plan) -> tuple[str, ...]:
    """The models whose names must be typed (or allowed) before the plan may run: those that may not come back."""
    refused = [finding.model for finding in plan.findings if finding.severity == "error" and finding.model]
    touched = {step.model for step in plan.steps}
    names = [
        *plan.stays_stopped,
        *(step.model for step in plan.unproven),
        *(name for name in refused if name in touched),
    ]
    return tuple(dict.fromkeys(names))


def step_words(step: Step) -> str:
    """One step in a row: ``3 start qwen3-32b on gpu01/7  needs 71.0 of 76.4 GiB free  ~1 min``."""
    words = f"{step.n:>3} {step.action:<6} {step.model}"
    if step.gpus:
        words += f" on {', '.join(map(str, step.gpus))}"
    if step.needs_bytes is not None and step.free_bytes is not None:
        words += f"   needs {gib(step.needs_bytes)} of {gib(step.free_bytes)} GiB free"
    return words


def plan_lines(plan: Plan) -> list[str]:
    """The whole plan as plain text."""
    lines = losses(plan)
    lines += [f"{f.severity} {f.code} {f.subject}: {f.message}" for f in plan.findings]
    for step in plan.steps:
        lines.append(f"{step_words(step)}   ~{duration(step.seconds)}")
        if step.basis:
            lines.append(f"      reckoned by {step.basis}")
        for command in step.commands:
            lines += [f"      {line}" for line in command.shown.splitlines()]
    return lines


def _requests(number: int) -> str:
    return "1 request runs or waits" if number == 1 else f"{number} requests run or wait"
