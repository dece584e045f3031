"""The memory of a plan's GPUs: beside each other now and after it, and as each of its steps leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from fleet.findings.assessment import Assessment, GpuOutlook
from fleet.model import GpuId
from fleet.planning.plan import Plan
from fleet.planning.replay import Replay
from fleet.units import gib
from widgets.bar import Part, bar, share_parts
from widgets.rows import Row, Span, ends, fit, width

_BAR_CELLS = 12


@dataclass(frozen=True, slots=True)
class Left:
    """How a step leaves one GPU."""

    gpu: GpuId
    was_bytes: int
    """Used before it."""
    used_bytes: int
    total_bytes: int


def memory_after(plan: Plan, totals: Mapping[GpuId, int]) -> dict[int, tuple[Left, ...]]:
    """By number of the step: the GPUs whose memory it changes, as it leaves them on paper.

    ``totals`` is the memory of each GPU; those whose free memory the plan does not know are left out.
    """
    replay = Replay(plan)
    found = {}
    for step in plan.steps:
        before = dict(replay.free)
        replay.take(step)
        left = (
            Left(gpu, totals[gpu] - before[gpu], totals[gpu] - free, totals[gpu])
            for gpu, free in replay.free.items()
            if gpu in plan.free_bytes and gpu in totals and free != before[gpu]
        )
        found[step.n] = tuple(left)
    return found


def left_rows(left: tuple[Left, ...], cells: int, indent: str = "      ") -> list[Row]:
    """Small bars of the GPUs a step changes, as many to a row as fit: what comes and what leaves, and what is used."""
    rows: list[Row] = []
    row: Row = (Span(indent),)
    for each in left:
        more = _left(each)
        if len(row) > 1 and width((*row, *more)) > cells:
            rows.append(row)
            row = (Span(indent),)
        row = (*row, *more)
    return [*rows, row] if len(row) > 1 else rows


def _left(left: Left) -> Row:
    kept = Part("live", max(0, min(left.was_bytes, left.used_bytes)))
    change = left.used_bytes - left.was_bytes
    moved = Part("ghost", change) if change > 0 else Part("leaving", -change)
    figures = f" {gib(left.used_bytes)}/{gib(left.total_bytes)}   "
    return (Span(f"{left.gpu} ", "dim"), *bar([kept, moved], left.total_bytes, _BAR_CELLS), Span(figures))


def now_and_after(plan: Plan, now: Assessment, after: Assessment, cells: int) -> list[Row]:
    """The GPUs the plan changes, as reckoned: what is on them now at the left, and after it at the right."""
    half = (cells - 3) // 2
    rows = [_beside((Span("Now", "accent"),), (Span("After", "accent"),), half)]
    for gpu in _changed(plan, now, after):
        left, right = now.outlooks[gpu], after.outlooks[gpu]
        sides = _side(gpu, left, right, "-", half), _side(gpu, right, left, "+", half)
        rows += [_beside(one, other, half) for one, other in zip_longest(*sides, fillvalue=())]
    return rows


def _changed(plan: Plan, now: Assessment, after: Assessment) -> list[GpuId]:
    touched = {gpu for step in plan.steps for gpu in step.gpus}
    return [gpu for gpu in now.outlooks if gpu in touched or now.outlooks[gpu].shares != after.outlooks[gpu].shares]


def _beside(left: Row, right: Row, half: int) -> Row:
    return (*ends(left, (), half), Span(" │ ", "border"), *ends(right, (), half))


def _side(gpu: GpuId, shown: GpuOutlook, other: GpuOutlook, sign: str, cells: int) -> Iterator[Row]:
    """One GPU with its models; the sign marks those that are not the same at the other side."""
    figures = f" {gib(shown.peak_bytes):>5}/{gib(shown.total_bytes)}"
    name = f"{gpu} "
    parts = share_parts([share for _, share in shown.shares], shown.driver_bytes)
    style = "error" if shown.resident_bytes > shown.total_bytes else "strong"
    drawn = bar(parts, shown.total_bytes, max(4, cells - len(name) - len(figures)))
    yield (Span(name, "strong"), *drawn, Span(figures, style))
    elsewhere = dict(other.shares)
    for model, share in shown.shares:
        same = elsewhere.get(model) == share
        size = gib(share.total_bytes)
        words = fit(f"  {' ' if same else sign} {model}", cells - len(size) - 1)
        yield (Span(words, "text" if same else "ghost"), Span(f" {size}", "text" if same else "ghost"))
