"""What is different between two times of a fleet, as rows."""

from __future__ import annotations

from collections.abc import Iterator

from console.history.text import clock_text, event_line
from console.past.moves import Difference
from fleet.findings import Finding
from fleet.state import FleetState, GpuState, ModelState
from fleet.units import GiB, duration, gib
from widgets.findings_list import SIGNS
from widgets.model_rows import WORD_STYLES
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, fit, width

MOST_EVENTS = 200
"""That are shown; the newest."""
_WORTH_SAYING = GiB // 10


def difference_rows(found: Difference, cells: int) -> list[Row]:
    """Memory by GPU, models, findings and events; a section without anything new says so in one row."""
    then, later = found.then, found.later
    title: Row = (
        Span("What changed  ", "accent"),
        Span(f"{clock_text(then.at)} to {clock_text(later.at)}", "strong"),
    )
    between = Span(f"  {duration(later.at - then.at)}", "dim")
    rows = [(*title, between)] if width((*title, between)) <= cells else [title, (between,)]
    rows += _section("Memory in GiB", list(_memory(then.state, later.state, cells)), "no GPU's by 0.1 or more")
    rows += _section("Models", list(_models(then.state, later.state, cells)), "all as they were")
    rows += _section("Findings", list(_findings(then.state, later.state, cells)), "the same")
    told = [
        row
        for event in found.events[-MOST_EVENTS:]
        for row in paragraph(f"  {event_line(event)}", cells, indent="    ")
    ]
    left_out = len(found.events) - MOST_EVENTS
    if left_out > 0:
        told.insert(0, (Span(f"  {left_out} earlier ones: gpudeck history tells them", "dim"),))
    return rows + _section("Events", told, "none")


def _section(title: str, rows: list[Row], nothing: str) -> list[Row]:
    if not rows:
        return [(), (Span(f"{title}: ", "accent"), Span(nothing, "dim"))]
    return [(), (Span(title, "accent"),), *rows]


def _memory(then: FleetState, later: FleetState, cells: int) -> Iterator[Row]:
    """A row for each GPU that differs; the difference is that of the sizes as they are shown, so it adds up."""
    for was, now in zip(then.gpus, later.gpus, strict=True):
        before, after = was.used_bytes, now.used_bytes
        if before == after or (before is not None and after is not None and abs(after - before) < _WORTH_SAYING):
            continue
        more = None if before is None or after is None else round(after / GiB, 1) - round(before / GiB, 1)
        yield (
            Span(f"  {now.gpu!s:<14}"),
            Span(f"{_size(was):>6} → {_size(now):>6}  ", "strong"),
            Span("" if more is None else f"{more:+6.1f}", "warning" if (more or 0) > 0 else "good"),
            Span(fit(f"   {_came_and_went(was, now)}", max(0, cells - 39)), "dim"),
        )


def _size(gpu: GpuState) -> str:
    return "–" if gpu.used_bytes is None else gib(gpu.used_bytes)


def _came_and_went(was: GpuState, now: GpuState) -> str:
    before, after = ([model.name for model in gpu.models] for gpu in (was, now))
    words = [f"+ {name}" for name in after if name not in before] + [
        f"- {name}" for name in before if name not in after
    ]
    return "  ".join(words)


def _models(then: FleetState, later: FleetState, cells: int) -> Iterator[Row]:
    for was, now in zip(then.models, later.models, strict=True):
        if was.word == now.word and _place(was) == _place(now):
            continue
        words = [Span(was.word, WORD_STYLES[was.word]), Span(" → "), Span(now.word, WORD_STYLES[now.word])]
        head = (Span(f"  {fit(now.name, 24)}"), *(words if was.word != now.word else words[:1]))
        moved = Span(f"   {_place(was)} → {_place(now)}" if _place(was) != _place(now) else f"   {_place(now)}", "dim")
        yield from [(*head, moved)] if width((*head, moved)) <= cells else [head, (Span(" " * 4), moved)]


def _place(model: ModelState) -> str:
    return str(model.model.place) if model.model.enabled and model.model.place else "nowhere"


def _findings(then: FleetState, later: FleetState, cells: int) -> Iterator[Row]:
    before, after = ({(f.code, f.subject): f for f in state.findings} for state in (then, later))
    for word, found in (
        ("new ", [finding for key, finding in after.items() if key not in before]),
        ("gone", [finding for key, finding in before.items() if key not in after]),
    ):
        for finding in found:
            yield from _finding(word, finding, cells)


def _finding(word: str, finding: Finding, cells: int) -> list[Row]:
    sign, style = SIGNS[finding.severity]
    told = f"  {word} {sign} {finding.code} {finding.subject}  {finding.message}"
    return paragraph(told, cells, "dim" if word == "gone" else style, "       ")
