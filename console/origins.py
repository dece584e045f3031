"""How a number shows where it comes from, on screens and in tables: one mark for each origin."""

from __future__ import annotations

from fleet.estimate import Origin
from fleet.startup import ModelStart
from fleet.units import duration, gib_text

MARKS = {Origin.MEASURED: "●", Origin.CALIBRATED: "◐", Origin.MODELLED: "○"}
LEGEND = "  ".join(f"{mark}\xa0{origin}" for origin, mark in MARKS.items())
"""Each mark with its word, which no line parts."""


def start_words(start: ModelStart, basis: str) -> str:
    """What a model's own start has taught its estimate, or why it has not, as a sentence."""
    took = f" in {duration(start.startup.seconds)}" if start.startup.seconds is not None else ""
    build = f" {start.startup.build}" if start.startup.build else ""
    came_up = f"{start.startup.engine}{build} came up{took}"
    if basis == "calibrated":
        planned = start.next_cache_bytes
        plan = f" Its start-up plan gives the next one a cache of {gib_text(planned)}." if planned else ""
        return f"{came_up}; its own lines are in these numbers.{plan}"
    if start.company:
        return f"{came_up}, but not alone: {start.company}. Its lines teach nothing."
    if not start.startup.ranks:
        return "The log of its start tells no sizes, or is gone."
    return f"{came_up} otherwise than the fleet file says; its lines teach nothing of that."
