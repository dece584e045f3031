"""What was recorded of the fleet: readings with their peaks, events, and starts as reckoned and as they came."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

from console.fleets import add_fleet_options, choose_fleet, history_path, state_folder
from console.history.text import FIGURES, clock, drawn, event_line, is_news, start_lines, summed_up
from fleet.errors import Exit, UsageError
from fleet.history.reading import Bucket, History, history
from fleet.history.values import QUANTITIES, Event, Kind, Start, Subject
from fleet.history.window import Window, window
from fleet.inventory import Inventory
from fleet.units import duration, parse_duration

POINTS = 60
OVERVIEW_POINTS = 30
OVERVIEW_FIGURES = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck history``."""
    parser.add_argument("subject", nargs="?", metavar="M", help="a model of the fleet, or a GPU such as gpu01/3")
    add_fleet_options(parser, positional=False)
    parser.add_argument("--since", default="1h", metavar="SPAN", help="how far back: 15min, 1h, 1d, 1w; 1h by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(options: argparse.Namespace) -> int:
    """Print what was recorded up to now."""
    try:
        span = parse_duration(options.since)
    except ValueError as error:
        raise UsageError(f"--since: {error}.") from None
    inventory = choose_fleet(options)
    with history(history_path(inventory, state_folder())) as found:
        report = report_of(found, inventory, options.subject, span, time.time())
        told = json.dumps(document(report), indent=2, ensure_ascii=False) if options.json else "\n".join(lines(report))
    print(told)
    return Exit.DONE


@dataclass(frozen=True, slots=True)
class Report:
    """What is asked of a history: what became of the whole fleet, or of one model or GPU."""

    history: History
    fleet: str
    name: str | None
    """The one that is asked for; None = the whole fleet."""
    subjects: tuple[Subject, ...]
    window: Window
    now: float
    """Unix seconds; the newest column may end later."""

    def series(self, subject: Subject, quantity: str) -> tuple[Bucket | None, ...]:
        """What was read of it."""
        return self.history.series(subject, quantity, self.window.since, self.window.until, self.window.points)

    @property
    def events(self) -> tuple[Event, ...]:
        """What became so."""
        return self.history.events(self.window.since, self.window.until, self.name)

    @property
    def starts(self) -> tuple[Start, ...]:
        """Every recorded start, however long ago."""
        return self.history.starts(self.name)


def report_of(history: History, inventory: Inventory, name: str | None, span: float, now: float) -> Report:
    """The last ``span`` seconds. Raises UsageError where nothing of that name is in the fleet or was recorded."""
    subjects = [Subject(Kind.GPU, str(gpu)) for gpu in inventory.gpu_ids]
    subjects += [Subject(Kind.MODEL, model.name) for model in inventory.models]
    if name is not None:
        recorded = [subject for kind in Kind for subject in history.subjects(kind)]
        subjects = [subject for subject in dict.fromkeys((*subjects, *recorded)) if subject.name == name]
        if not subjects:
            raise UsageError(
                f"There is no model or GPU {name!r} in this fleet, and none was recorded.",
                f"It has {', '.join(model.name for model in inventory.models)}.",
            )
    points = OVERVIEW_POINTS if name is None else POINTS
    return Report(history, inventory.fleet, name, tuple(subjects), window(now, span, points), now)


def document(report: Report) -> dict[str, Any]:
    """The ``gpudeck/history/1`` document: times in Unix seconds, None where nothing was read."""

    def figures(subject: Subject) -> dict[str, Any]:
        return {
            quantity.name: [bucket and bucket._asdict() for bucket in report.series(subject, quantity.name)]
            for quantity in QUANTITIES[subject.kind]
        }

    return {
        "schema": "gpudeck/history/1",
        "fleet": report.fleet,
        "since": report.window.since,
        "until": report.window.until,
        "step_seconds": report.window.step,
        "gpus": [{"id": s.name, **figures(s)} for s in report.subjects if s.kind is Kind.GPU],
        "models": [{"name": s.name, **figures(s)} for s in report.subjects if s.kind is Kind.MODEL],
        "events": [
            {"at": e.at, "kind": e.kind, "subject": e.subject, "value": e.value, "before": e.before}
            for e in report.events
        ],
        "starts": [
            {
                "at": start.at,
                "model": start.model,
                "gpu": start.gpu,
                "build": start.build,
                "arguments": start.arguments,
                "outcome": start.outcome,
                "sentence": start.sentence or None,
                "alone": start.alone,
                "seconds": start.seconds,
                "predicted": {f"{part}_bytes": size for part, size in start.predicted.items()},
                "measured": {f"{part}_bytes": size for part, size in start.measured.items()},
            }
            for start in report.starts
        ],
    }


def lines(report: Report) -> list[str]:
    """The same as text: the fleet at a glance, or one model or GPU in every figure."""
    if not any(report.history.subjects(kind) for kind in Kind):
        return ["Nothing is recorded yet: readings are recorded while a console or wallboard of the fleet is open."]
    told = [
        f"{report.fleet}  {clock(report.window.since)} to {clock(min(report.window.until, report.now))}; "
        f"a column is {duration(report.window.step)}, as high as its peak"
    ]
    told += _detail(report) if report.name else [line for kind in Kind for line in _overview(report, kind)]
    events = [event_line(event) for event in report.events if is_news(event)]
    told += ["", "events", *(f"  {line}" for line in events)] if events else []
    starts = [line for start in report.starts for line in start_lines(start)] if report.name else []
    told += ["", "starts", *(f"  {line}" for line in starts)] if starts else []
    return told


def _overview(report: Report, kind: Kind) -> list[str]:
    """A line for each GPU or model that was read: its first figure drawn, and the peaks of the first few."""
    figures = FIGURES[kind][:OVERVIEW_FIGURES]
    rows = []
    for subject in report.subjects:
        peaks = report.history.peaks(subject, report.window.since, report.window.until) if subject.kind is kind else {}
        if peaks:
            sparks = drawn(figures[0], report.series(subject, figures[0].quantity))
            values = (peaks.get(figure.quantity) for figure in figures)
            cells = ("–" if peak is None else f.text(peak.value) for f, peak in zip(figures, values, strict=True))
            rows.append(f"{subject.name:<22} {sparks} " + "".join(f"{cell:>12}" for cell in cells))
    heads = "".join(f"{f'{figure.name} {figure.unit}'.strip():>12}" for figure in figures)
    title = f"{kind:<22} {f'{figures[0].name}; peaks beside it':<{report.window.points}.{report.window.points}} {heads}"
    return ["", title, *rows] if rows else []


def _detail(report: Report) -> list[str]:
    """Every figure in a line of its own."""
    told = []
    for subject in report.subjects:
        told += ["", subject.name]
        peaks = report.history.peaks(subject, report.window.since, report.window.until)
        for figure in FIGURES[subject.kind]:
            series = report.series(subject, figure.quantity)
            told.append(f"  {figure.name:<9} {drawn(figure, series)}  {summed_up(figure, series, peaks)}".rstrip())
    return told
