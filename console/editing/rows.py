"""The edit form in rows: the arguments, the line a value lies on, and what the engine would say."""

from __future__ import annotations

from collections.abc import Sequence

from console.editing.form import MORE, Field, value_text
from console.editing.sliders import Slider
from fleet.arguments import Kind
from fleet.estimate import Estimate, Outcome
from fleet.estimate.trial import Trial
from fleet.findings import Severity
from fleet.findings.assessment import Assessment, GpuOutlook
from fleet.model import GpuId, Scalar
from fleet.planning.carry import about
from fleet.units import count, gib
from widgets.bar import bar, share_parts
from widgets.findings_list import SIGNS
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, ends, fit

_FLAG, _VALUE, _DEFAULT = 24, 20, 12
_WIDE = 120
"""Cells from which every argument's row has room for what it does, and the figures for all kinds of memory."""
_MIDDLE = _FLAG + _VALUE + _DEFAULT + 2
"""Cells from which it has room for its default."""
_KINDS = (
    ("weights", "weights_bytes"),
    ("KV cache", "kv_cache_bytes"),
    ("activations", "activations_bytes"),
    ("total", "total_bytes"),
)


def head_row(cells: int) -> Row:
    """What the columns of `field_row` are."""
    names = f"  {'argument':<{_FLAG}}{'value':<{_VALUE}}"
    names += f"{'default':<{_DEFAULT}}" if cells >= _MIDDLE else ""
    return (Span(names + ("what it does" if cells >= _WIDE else ""), "dim"),)


def field_row(field: Field, default: Scalar, chosen: bool, cells: int) -> Row:
    """One argument: its value, with the one it replaces; where there is room, its default and what it does."""
    value, style = field.text.strip() or "–", "text" if field.text.strip() else "dim"
    if field.is_changed:
        was = "" if field.argument is MORE else f" (was {value_text(field.own) or '–'})"
        value, style = value + was, "error" if field.problem else "ghost"
    row: Row = (
        Span("▸ " if chosen else "  ", "accent"),
        Span(fit(field.flag or "another argument", _FLAG - 1) + " ", "strong" if chosen else "text"),
        Span(fit(value, _VALUE - 1) + " ", style),
    )
    if cells >= _MIDDLE:
        row = (*row, Span(fit(_figure(default), _DEFAULT), "dim"))
    return (*row, Span(field.argument.help, "dim")) if cells >= _WIDE else row


def placeholder(field: Field, default: Scalar) -> str:
    """What an empty line says: what the engine does without the argument, or how several are added."""
    if field.argument is MORE:
        return "one, or several: --block-size 32 --seed 7"
    return "" if default is None else f"{_figure(default)} by default"


def _figure(value: Scalar) -> str:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else value_text(value)


def scale_row(field: Field, default: Scalar, line: Slider | None, cells: int) -> Row:
    """Where the value lies on its line and which part of it is safe; or the choices there are."""
    if line is not None:
        return _slider_row(line, cells)
    if field.argument.kind not in (Kind.CHOICE, Kind.SWITCH):
        return ()
    spans = []
    for each in field.argument.choices or ("false", "true"):
        if each == field.text.strip():
            spans.append(Span(f"[{each}] ", "strong"))
        elif each == value_text(default) and not field.text.strip():
            spans.append(Span(f"({each}) ", "text"))
        else:
            spans.append(Span(f" {each}  ", "dim"))
    return tuple(spans)


def _slider_row(line: Slider, cells: int) -> Row:
    safe = line.safe
    words = f"  safe: {line.shown(safe.low)} to {line.shown(safe.high)}" if safe else "  no value is safe"
    start, end = line.shown(min(1, line.step)), line.shown(line.end)
    room = max(8, cells - len(start) - len(end) - len(words) - 4)
    low, high = (_cell(safe.low, line, room), _cell(safe.high, line, room)) if safe else (room, -1)
    here = _cell(line.value, line, room)
    good = safe is not None and safe.low - 1e-9 <= line.value <= safe.high + 1e-9
    spans = [Span(f"{start} ├", "dim")]
    for cell in range(room):
        if cell == here:
            spans.append(Span("●", "strong" if good else "error"))
        else:
            spans.append(Span("━", "good") if low <= cell <= high else Span("─", "free"))
    return (*spans, Span(f"┤ {end}", "dim"), Span(words, "good" if good else "warning"))


def _cell(value: float, line: Slider, cells: int) -> int:
    return round((cells - 1) * min(1.0, value / line.end))


def idle_rows(now: Trial, after: Trial, width: int) -> list[Row]:
    """Of a disabled model: what it would take on GPUs of its own, and what its engine would say there."""
    number = len(after.totals)
    gpus = f"an empty {after.accelerator.name}" if number == 1 else f"{number} empty {after.accelerator.name}"
    estimate = after.estimate()
    rows: list[Row] = [(Span(f"It is disabled. Carry it to a GPU to enable it; on {gpus}:", "dim"),)]
    rows += _figures(now.estimate(), estimate, width)
    if estimate.refusal:
        return rows + paragraph(f"✖ {estimate.refusal.sentence}", width - 2, "error")
    return [*rows, (Span("It would start.", "good"),)]


def verdict_rows(now: Assessment, after: Assessment, name: str, width: int, gpus: int) -> list[Row]:
    """Of an enabled model: at most that many of its GPUs now and after, the fullest first; and the engine's words."""
    estimate = after.estimates[name]
    before = now.estimates.get(name)
    rows = [*_bars(now, after, name, width, gpus), *_figures(before or estimate, estimate, width)]
    place = after.inventory.model(name).place
    found = about(after, place.gpu_ids) if place else []
    for finding in found:
        sign, style = SIGNS[finding.severity]
        whose = f"{finding.model}: " if finding.model not in (None, name) else ""
        rows += paragraph(f"{sign} {finding.code} {whose}{finding.message}", width - 2, style)
        if finding.fixes:
            rows += paragraph("  fix: " + " | ".join(fix.summary for fix in finding.fixes), width - 2, "good", "    ")
    if all(finding.severity is not Severity.ERROR for finding in found):
        rows.append((Span("It will start." if estimate.outcome is Outcome.STARTED else str(estimate.outcome), "good"),))
    return rows


def _bars(now: Assessment, after: Assessment, name: str, width: int, most: int) -> list[Row]:
    place = after.inventory.model(name).place
    gpus = sorted(place.gpu_ids if place else (), key=lambda gpu: -after.outlooks[gpu].peak_bytes)[:most]
    rows: list[Row] = []
    for gpu in gpus:
        rows.append(_bar_row(gpu, "now", now.outlooks[gpu], width))
        rows.append(_bar_row(None, "after", after.outlooks[gpu], width))
    return rows


def _bar_row(gpu: GpuId | None, word: str, outlook: GpuOutlook, width: int) -> Row:
    figures = f" {gib(outlook.peak_bytes):>6}/{gib(outlook.total_bytes)} GiB"
    shares = [share for _, share in outlook.shares]
    head = f"{gpu or ''!s:<9} {word:<6}"
    over = outlook.peak_bytes > outlook.total_bytes
    cells = max(4, width - len(head) - len(figures))
    return (
        Span(head, "dim"),
        *bar(share_parts(shares, outlook.driver_bytes), outlook.total_bytes, cells),
        Span(figures, "error" if over else "strong"),
    )


def _figures(before: Estimate, after: Estimate, width: int) -> list[Row]:
    """What changes and what does not, in as many rows as that takes."""
    share, was = after.shares[0], before.shares[0]
    kinds = [kind for kind in _KINDS if getattr(share, kind[1]) or getattr(was, kind[1])]
    if width < _WIDE:
        kinds = [kind for kind in kinds if kind[0] != "activations"]
    parts = [f"{name} {_change(gib(getattr(was, key)), gib(getattr(share, key)))}" for name, key in kinds]
    parts[-1:] = [f"{part} GiB" for part in parts[-1:]]
    if after.kv_cache_tokens is not None:
        parts.append(f"{_change(count(before.kv_cache_tokens or 0), count(after.kv_cache_tokens))} tokens")
    if after.max_concurrency is not None:
        parts.append(_change(_concurrency(before), _concurrency(after)))
    return paragraph("   ".join(part.replace(" ", "\xa0") for part in parts), width, "strong", "")


def _concurrency(estimate: Estimate) -> str:
    return f"{estimate.max_concurrency or 0:.1f} x {count(estimate.max_model_len or 0)}"


def _change(was: str, now: str) -> str:
    return now if was == now else f"{was} → {now}"


def faded(rows: Sequence[Row]) -> list[Row]:
    """Rows that speak of an earlier moment."""
    return [tuple(Span(span.text, "dim") for span in row) for row in rows]


def said_rows(field: Field, width: int) -> list[Row]:
    """What is wrong with the field, or what it is for and may be; in as many rows as that takes."""
    if field.problem:
        return paragraph(f"✖ {field.problem}", width, "error")
    what, may_be = field.argument.help, field.argument.range
    if field.argument.kind in (Kind.CHOICE, Kind.SWITCH):
        return paragraph(what, width, "dim", "")
    if len(what) + len(may_be) + 2 <= width:
        return [ends((Span(what, "dim"),), (Span(may_be, "dim"),), width)]
    return paragraph(f"{what}; {may_be}", width, "dim", "")
