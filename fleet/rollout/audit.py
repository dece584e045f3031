"""A line in the host's own log for each step that touches it: what a journal on somebody's laptop cannot promise."""

from __future__ import annotations

from hashlib import sha256

from fleet.commands import Read, Write
from fleet.planning.plan import Action, Former, Step
from fleet.secrets import masked
from fleet.text import clean

TAG = "gpudeck"


def audit(operator: str, token: str, step: Step, former: Former | None) -> Write:
    """The command that writes it: who, which rollout, what, and for an overlay what it was and will be.

    ``logger`` is in every distribution, needs no privilege, and the host's journal keeps the true user beside it.
    """
    words = f"{operator} rollout {token}: {step.action} {step.model} ({step.service})"
    if step.action in (Action.WRITE, Action.REMOVE):
        words += f", overlay {_digest(former.overlay if former else None)} -> {_digest(step.overlay)}"
    return note(words)


def note(words: str) -> Write:
    """The command that writes a line of ours into the host's own log."""
    return Write(("logger", "-t", TAG, "--", masked(clean(words))))


def host_log(lines: int) -> Read:
    """The command that prints the newest of them."""
    return Read(("journalctl", "-t", TAG, "-n", str(lines), "-o", "short-iso", "--no-pager", "-q"))


def _digest(overlay: str | None) -> str:
    return "none" if overlay is None else f"sha256:{sha256(overlay.encode()).hexdigest()[:12]}"
