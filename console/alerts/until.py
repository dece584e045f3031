"""Until when somebody wants to hear nothing of an alert, as they type it."""

from __future__ import annotations

import time

from fleet.errors import UsageError
from fleet.units import parse_duration

HOUR = "1h"
"""Where nothing is said."""


def until(text: str, now: float) -> int:
    """Unix seconds of a span from now, ``2h``, or of a time of day, ``18:00``: the next there is, in local time.

    Raises UsageError for anything else.
    """
    try:
        return round(now + parse_duration(text))
    except ValueError:
        pass
    try:
        clock = time.strptime(text, "%H:%M")
    except ValueError:
        raise UsageError(
            f"{text!r} is no time to wait until.", "Write a span such as 2h, or a time such as 18:00."
        ) from None
    today = time.localtime(now)
    day = (today.tm_year, today.tm_mon, today.tm_mday)
    at, tomorrow = (
        time.mktime((*day[:2], day[2] + later, clock.tm_hour, clock.tm_min, 0, 0, 0, -1)) for later in (0, 1)
    )
    return int(at if at > now else tomorrow)
