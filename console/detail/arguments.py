"""A model's arguments: those of the fleet file against those of what runs, or of what last came up."""

from __future__ import annotations

from console.editing.form import value_text
from fleet.live.drift import differences
from fleet.startup import ModelStart
from fleet.state import ModelState
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span


def argument_rows(model: ModelState, healthy: ModelStart | None, cells: int) -> list[Row]:
    """What the fleet file gives, then what differs; ``healthy`` is its newest start that came up."""
    given = "   ".join(f"{flag}\xa0{value_text(value) or value}" for flag, value in model.model.args.items())
    rows = paragraph(f"  arguments: {given or 'none given'}", cells, "text", "    ")
    start = model.start or healthy
    if start is None:
        return rows
    whose, same = (
        ("running", "what runs has the same")
        if model.start
        else ("last healthy start", "its last healthy start had the same")
    )
    found = differences(model.model, start)
    if not found:
        return [*rows, (Span(f"  {same}", "dim"),)]
    for each in found:
        if each.in_file is not None:
            rows.append((Span(f"  - {each.name} {each.in_file}", "error"), Span("   fleet file", "dim")))
        if each.running is not None:
            rows.append((Span(f"  + {each.name} {each.running}", "good"), Span(f"   {whose}", "dim")))
    return rows
