"""POL005: a plan and the maintenance windows in which what runs may be changed."""

from __future__ import annotations

from types import MappingProxyType

from fleet.findings import Finding, Severity, Tense
from fleet.units import duration
from fleet.windows import Windows

OUTSIDE_WINDOW = "POL005"


def outside(windows: Windows | None, now: float, seconds: float, what: str = "the plan") -> Finding | None:
    """What is to be said of a plan, or its next part, that takes so long from now; None where a window holds it."""
    if windows is None:
        return None
    closing = windows.closing(now)
    if closing is not None and now + seconds <= closing:
        return None
    words = f"no maintenance window is open; the next opens {windows.words(windows.next_opening(now))}"
    if closing is not None:
        left = f"the maintenance window closes {windows.words(closing)}, in {duration(closing - now)}"
        words = f"{left}, and {what} takes about {duration(seconds)}"
    return Finding(
        code=OUTSIDE_WINDOW,
        severity=Severity.WARNING,
        tense=Tense.DRAFT,
        message=f"{words[0].upper()}{words[1:]}.",
        headline=words,
        numbers=MappingProxyType({"plan_seconds": round(seconds), "left_seconds": round((closing or now) - now)}),
    )
