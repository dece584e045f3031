"""The models of one GPU as rows of its pane, with as much detail as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.model import Arguments
from fleet.readings import EngineReading
from fleet.state import ModelState, ModelWord
from fleet.telemetry.owners import owner_text
from fleet.units import GiB, count, gib
from widgets.endpoint import pace
from widgets.pane_view import PaneView, marker
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, ends

if TYPE_CHECKING:
    from fleet.estimate import Estimate, GpuShare

WORD_STYLES = {
    ModelWord.SERVING: "good",
    ModelWord.STARTING: "warning",
    ModelWord.LOADING: "warning",
    ModelWord.DRAINING: "warning",
    ModelWord.STOPPING: "warning",
    ModelWord.STOPPED: "dim",
    ModelWord.FAILED: "error",
    ModelWord.DISABLED: "dim",
    ModelWord.UNKNOWN: "dim",
}

_SHORT_FLAGS = {
    "gpu-memory-utilization": "util",
    "max-model-len": "len",
    "enforce-eager": "eager",
    "ctx-size": "ctx",
    "split-mode": "split",
}

Entry = list[Row]
"""A model's rows, the most important first."""


def model_rows(view: PaneView, cells: int, room: int) -> list[Row]:
    """At most ``room`` rows of that many cells: every model, then details of each as far as there is room.

    Where not even every model has a row, those that the operator is about, or that failed, have theirs first.
    """
    models, coming, strangers = view.gpu.models, _coming(view, cells), _strangers(view, cells)
    entries = [*(_entry(view, model, cells) for model in models), *coming, *strangers]
    if len(entries) > room:
        first = [*(_comes_first(view, model) for model in models), *[True] * len(coming), *[False] * len(strangers)]
        return _some(entries, first, room)
    depth = max((d for d in range(1, 6) if _height(entries, d) <= room), default=1)
    spaced = _height(entries, depth) + len(entries) - 1 <= room - 1 and depth > 1
    rows: list[Row] = []
    for entry in entries:
        if spaced and rows:
            rows.append(())
        rows += entry[:depth]
    if view.gpu.note:
        note = paragraph("✎ " + view.gpu.note, cells, "dim")
        rows += [()] * (spaced and len(rows) + len(note) < room)
        rows += note[: room - len(rows)]
    return rows


def _comes_first(view: PaneView, model: ModelState) -> bool:
    return view.selected == model.name or model.word is ModelWord.FAILED or _word(view, model)[1] == "ghost"


def _some(entries: list[Entry], first: list[bool], room: int) -> list[Row]:
    """A row each of as many as there is room for, in their order, and how many more there are."""
    by_rank = sorted(range(len(entries)), key=lambda index: not first[index])
    kept = sorted(by_rank[: max(0, room - 1)])
    left = len(entries) - len(kept)
    return [*(entries[index][0] for index in kept), (Span(f"+{left} more", "dim"),)][: max(0, room)]


def _height(entries: list[Entry], depth: int) -> int:
    return sum(min(len(entry), depth) for entry in entries)


def _entry(view: PaneView, model: ModelState, cells: int) -> Entry:
    used = model.used_by_gpu.get(view.gpu.gpu)
    share = dict(view.gpu.outlook.shares).get(model.name)
    figure = gib(used) if used is not None else f"~{gib(share.total_bytes)}" if share else "–"
    word, style = _word(view, model)
    here = view.selected == model.name
    is_faint = model.name in view.faint
    letter = " " if model.name in view.labels else ""
    name = Span(letter + (f"({model.name})" if is_faint else model.name), "strong" if here else "text")
    head = ends((_marker(view, model.name), name), (Span(f" {word}", style), Span(f"{figure:>7}")), cells)
    if is_faint:
        head = tuple(Span(span.text, "dim") for span in head)
    if model.why_not_up:
        return [head, *paragraph("   " + model.why_not_up, cells, "error", indent="   ")]
    details = [_measured(model, used, share), _pace(model.engine), _cache(model.estimate), _arguments(model.model.args)]
    return [head, *(ends(detail, (), cells) for detail in details if detail)]


def _marker(view: PaneView, name: str) -> Span:
    """The letter to jump there by, or the mark, or the cursor."""
    if name in view.labels:
        return Span(view.labels[name], "key")
    return marker(is_here=view.selected == name, is_marked=name in view.marked)


def _word(view: PaneView, model: ModelState) -> tuple[str, str]:
    """The model's state, or what the draft does to it here."""
    if view.after is None:
        return model.word, WORD_STYLES[model.word]
    now, after = dict(view.gpu.outlook.shares), dict(view.after.shares)
    if model.name in now and model.name not in after:
        return "leaves", "ghost"
    if now.get(model.name) != after.get(model.name):
        return "changes", "ghost"
    return model.word, WORD_STYLES[model.word]


def _measured(model: ModelState, used: int | None, share: GpuShare | None) -> Row:
    """The estimate, by how much the measured memory lies outside it where that is worth a look, and the load."""
    spans = [Span(f"   est {gib(share.total_bytes) if share else 0}", "dim")]
    if used is not None and model.word is ModelWord.SERVING:
        low, high = (share.resident_bytes, share.total_bytes) if share else (0, 0)
        beyond = used - min(max(used, low), high)
        if abs(beyond) > max(GiB // 2, high // 20):
            spans.append(Span(f" live {beyond / GiB:+.1f}", "warning"))
    if model.engine.kv_usage is not None:
        spans.append(Span(f"  KV {model.engine.kv_usage:.0%} used", "dim"))
    if model.engine.waiting:
        spans.append(Span(f", {model.engine.waiting} waiting", "warning"))
    return tuple(spans)


def _pace(engine: EngineReading) -> Row:
    words = pace(engine)
    return (Span("   " + "  ".join(words), "dim"),) if words else ()


def _cache(estimate: Estimate | None) -> Row:
    if estimate is None or not estimate.kv_cache_tokens:
        return ()
    words = f"   {count(estimate.kv_cache_tokens)} tokens"
    if estimate.max_concurrency is not None and estimate.max_model_len:
        words += f", {estimate.max_concurrency:.1f} x {count(estimate.max_model_len)}"
    return (Span(words, "dim"),)


def _arguments(args: Arguments) -> Row:
    words = []
    for flag, value in args.items():
        short = _SHORT_FLAGS.get(flag, flag)
        words.append(short if value is True else f"{short} {count(value) if type(value) is int else value}")
    return (Span("   " + "  ".join(words), "dim"),) if words else ()


def _coming(view: PaneView, cells: int) -> list[Entry]:
    """Models the draft brings here."""
    if view.after is None:
        return []
    here = {model.name for model in view.gpu.models}
    return [
        [
            ends(
                (_coming_marker(view, name), Span(name, "ghost")),
                (Span(" comes", "ghost"), Span(f"{gib(share.total_bytes):>7}")),
                cells,
            )
        ]
        for name, share in view.after.shares
        if name not in here
    ]


def _coming_marker(view: PaneView, name: str) -> Span:
    found = marker(is_here=view.selected == name, is_marked=name in view.marked)
    return found if found.text.strip() else Span("+", "ghost")


def _strangers(view: PaneView, cells: int) -> list[Entry]:
    """Who else holds memory here, and memory beyond the driver's own that nobody holds."""
    gpu = view.gpu
    by_name: dict[str, int] = {}
    for process in gpu.strangers:
        name = owner_text(process.owner) or process.name
        by_name[name] = by_name.get(name, 0) + process.on(gpu.pci or "")
    unheld = (gpu.unheld_bytes or 0) - gpu.outlook.driver_bytes
    others = [*by_name.items(), ("held by no process", unheld)]
    return [
        [ends((Span(f" {name}", "other"),), (Span(" other", "dim"), Span(f"{gib(size):>7}")), cells)]
        for name, size in others
        if size > GiB // 4
    ]
