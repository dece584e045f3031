"""A line in the host's own log for each step that touches it: what a journal on somebody's laptop cannot promise."""

from __future__ import annotations

from hashlib import sha256

from fleet.commands import Read, Write
from fleet.planning.plan import Action, Plan, Step
from fleet.secrets import masked
from fleet.text import clean

TAG = "gpudeck"


def audit(operator: str, token: str, step: Step, plan: Plan) -> Write:
    """The command that writes it: who, which rollout, what, and for an overlay what it was and will be.

    The step is one of the plan, or of the way back from it.

    ``logger`` is in every distribution, needs no privilege, and the host's journal keeps the true user beside it.
    """
    words = f"{operator} rollout {token}: {step.action} {step.model} ({step.service})"
    if step.action in (Action.WRITE, Action.REMOVE):
        words += f", overlay {_digest(_found(step, plan))} -> {_digest(step.overlay)}"
    return note(words)


def _found(step: Step, plan: Plan) -> str | None:
    """The overlay a step finds: on the way back what the plan wrote, else what was there before the plan."""
    about = step.model, step.host
    wrote = [s for s in plan.steps if (s.model, s.host) == about and s.action in (Action.WRITE, Action.REMOVE)]
    if wrote and step not in plan.steps:
        return wrote[-1].overlay
    return next((former.overlay for former in plan.formers if (former.model, former.host) == about), None)


def note(words: str) -> Write:
    """The command that writes a line of ours into the host's own log."""
    return Write(("logger", "-t", TAG, "--", masked(clean(words))))


def host_log(lines: int) -> Read:
    """The command that prints the newest of them."""
    return Read(("journalctl", "-t", TAG, "-n", str(lines), "-o", "short-iso", "--no-pager", "-q"))


def _digest(overlay: str | None) -> str:
    return "none" if overlay is None else f"sha256:{sha256(overlay.encode()).hexdigest()[:12]}"
