"""One GPU as a pane: who it is, what we reckon, what we measure, and the models on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.estimate import GpuShare
from fleet.findings.assess import GpuOutlook
from fleet.planning.carry import Fit, Verdict
from fleet.readings import Link
from fleet.state import GpuState, ModelState, ModelWord
from fleet.units import GiB, duration, gib
from widgets.bar import Part, bar
from widgets.rows import Row, Rows, Span, ends, fit

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

VERDICT_STYLES = {
    Fit.FITS: "good",
    Fit.TIGHT: "warning",
    Fit.SHORT: "error",
    Fit.REFUSED: "error",
    Fit.PARTITION: "dim",
}


@dataclass(frozen=True, slots=True)
class PaneView:
    """All a pane shows."""

    gpu: GpuState
    link: Link
    age_seconds: float | None = None
    """Shown only where the reading is not live."""
    after: GpuOutlook | None = None
    """The draft's outlook, where it differs from the running placement's."""
    verdict: Verdict | None = None
    selected: str | None = None
    """The model under the cursor."""
    is_cursor: bool = False
    show_after: bool = False
    """Draw the placement after the draft instead of the ghosts of its changes."""


def verdict_text(verdict: Verdict) -> str:
    """A verdict as a pane's title shows it: ``✓ fits 41.2``."""
    match verdict.fit:
        case Fit.FITS:
            return f"✓ fits {gib(verdict.size_bytes)}"
        case Fit.TIGHT:
            return f"≈ tight {gib(verdict.size_bytes)}"
        case Fit.SHORT:
            return f"✗ short {gib(verdict.size_bytes)}"
        case Fit.REFUSED:
            return "✗ refused"
        case Fit.PARTITION:
            return "⛔ partition"


def pane_rows(view: PaneView, width: int, height: int) -> list[Row]:
    """The pane in exactly ``height`` rows of ``width`` cells; what does not fit is counted in the last line."""
    inner = width - 4
    body = [_estimate_row(view, inner), _live_row(view, inner)]
    room = height - 2 - len(body)
    body += _model_rows(view, inner, room)
    body += [(Span(" " * inner),)] * (height - 2 - len(body))
    frame = "border-cursor" if view.is_cursor else "border"
    side, top, bottom = ("┃", "┏━┓", "┗━┛") if view.is_cursor else ("│", "╭─╮", "╰─╯")
    edge = Span(side, frame)
    rows = [_title_row(view, width, top, frame)]
    rows += [(edge, Span(" "), *_dimmed(view, row), Span(" "), edge) for row in body]
    rows.append((Span(bottom[0] + bottom[1] * (width - 2) + bottom[2], frame),))
    return rows


def line_row(view: PaneView, width: int) -> Row:
    """The whole GPU in one row, for small screens."""
    reading = view.gpu.reading
    heat = _heat(view)
    marker = Span("▶" if view.is_cursor else " ", "accent")
    names = " ".join(name for name, _ in view.gpu.outlook.shares) or "free"
    if view.verdict:
        tail = Span(fit(verdict_text(view.verdict), 16), VERDICT_STYLES[view.verdict.fit])
    elif view.link in (Link.LIVE, Link.CONNECTING):
        tail = Span(fit(names, 16), "text")
    else:
        tail = Span(fit(_age(view), 16), "warning")
    cells = max(6, (width - 54) // 2)
    live = gib(reading.used_bytes) if reading and reading.used_bytes is not None else "–"
    est_total = _shown_outlook(view).peak_bytes
    row = (
        marker,
        Span(f"{view.gpu.gpu.index:<2}", "strong"),
        Span(fit(heat, 11), "dim"),
        Span(" est ", "dim"),
        *bar(_estimate_parts(view), view.gpu.total_bytes, cells),
        Span(f"{gib(est_total):>6}"),
        Span(" live ", "dim"),
        *bar(_live_parts(view), view.gpu.total_bytes, cells),
        Span(f"{live:>6} "),
        tail,
    )
    return _dimmed(view, row)


def _dimmed(view: PaneView, row: Row) -> Row:
    """The row in grey where its data is too old to act on."""
    if view.link in (Link.LIVE, Link.CONNECTING):
        return row
    return tuple(Span(span.text, "dim") for span in row)


def _title_row(view: PaneView, width: int, corners: str, frame: str) -> Row:
    pci = view.gpu.pci
    left: list[Span] = [Span(corners[0] + " ", frame), Span(str(view.gpu.gpu.index), "strong"), Span("  ")]
    if view.verdict:
        left.append(Span(verdict_text(view.verdict), VERDICT_STYLES[view.verdict.fit]))
    else:
        left.append(Span(view.gpu.accelerator + (f" {pci[5:10]}" if pci else ""), "text"))
        left.append(Span("  " + _heat(view), "dim"))
    if view.link in (Link.STALE, Link.LOST, Link.UNREACHABLE):
        left = [*left[:3], Span(_age(view), "error" if view.link is Link.LOST else "warning")]
    elif view.show_after and view.after:
        left.append(Span(" AFTER", "ghost"))
    left.append(Span(" "))
    return _fill(tuple(left), width, corners, frame)


def _fill(left: Row, width: int, corners: str, frame: str) -> Row:
    used = sum(len(span.text) for span in left)
    if used > width - 2:
        return (*ends(left, (), width - 2), Span(corners[1] + corners[2], frame))
    return (*left, Span(corners[1] * (width - used - 1) + corners[2], frame))


def _heat(view: PaneView) -> str:
    reading = view.gpu.reading
    parts = []
    if reading and reading.temperature_c is not None:
        parts.append(f"{reading.temperature_c:.0f}°C")
    if reading and reading.power_w is not None:
        parts.append(f"{reading.power_w:.0f} W")
    return " ".join(parts)


def _age(view: PaneView) -> str:
    word = {Link.STALE: "stale", Link.LOST: "LOST", Link.UNREACHABLE: "unreachable"}.get(view.link, str(view.link))
    return word if view.age_seconds is None else f"{word} {duration(view.age_seconds)}"


def _shown_outlook(view: PaneView) -> GpuOutlook:
    return view.after if view.show_after and view.after else view.gpu.outlook


def _estimate_row(view: PaneView, inner: int) -> Row:
    outlook = view.after or view.gpu.outlook
    style = "error" if outlook.resident_bytes > outlook.total_bytes else "strong"
    figures = f"{gib(outlook.peak_bytes):>6}/{gib(outlook.total_bytes)}"
    cells = max(4, inner - 5 - len(figures) - 1)
    return (
        Span("est  ", "dim"),
        *bar(_estimate_parts(view), outlook.total_bytes, cells),
        Span(" "),
        Span(figures, "ghost" if view.after and style == "strong" else style),
    )


def _live_row(view: PaneView, inner: int) -> Row:
    gpu = view.gpu
    used = "     –" if gpu.used_bytes is None else f"{gib(gpu.used_bytes):>6}"
    figures = f"{used}/{gib(gpu.total_bytes)}"
    cells = max(4, inner - 5 - len(figures) - 1)
    return (Span("live ", "dim"), *bar(_live_parts(view), gpu.total_bytes, cells), Span(" "), Span(figures, "strong"))


def _estimate_parts(view: PaneView) -> list[Part]:
    """Kept models by kind, then what a draft takes away and what it brings."""
    outlook = _shown_outlook(view)
    ghosts = view.after if view.after and not view.show_after else None
    coming = dict(ghosts.shares) if ghosts else {}
    kept = [share for name, share in outlook.shares if ghosts is None or coming.get(name) == share]
    parts = [
        Part("weights", sum(share.weights_bytes for share in kept)),
        Part("kv-cache", sum(share.kv_cache_bytes for share in kept)),
        Part("activations", sum(share.activations_bytes for share in kept)),
        Part("context", sum(share.graphs_bytes + share.context_bytes for share in kept) + outlook.driver_bytes),
    ]
    if ghosts:
        parts += _ghost_parts(view.gpu.outlook, ghosts)
    return parts


def _ghost_parts(now: GpuOutlook, after: GpuOutlook) -> list[Part]:
    before, coming = dict(now.shares), dict(after.shares)
    brought = sum(share.total_bytes for name, share in coming.items() if before.get(name) != share)
    taken = sum(share.total_bytes for name, share in before.items() if coming.get(name) != share)
    return [Part("ghost", brought), Part("leaving", max(0, taken - brought))]


def _live_parts(view: PaneView) -> list[Part]:
    gpu = view.gpu
    if gpu.used_bytes is None or gpu.other_bytes is None:
        return []
    ghosts = view.after if view.after and not view.show_after else None
    changed = set()
    if ghosts:
        coming = dict(ghosts.shares)
        changed = {name for name, share in gpu.outlook.shares if coming.get(name) != share}
    kept = sum(model.used_by_gpu.get(gpu.gpu, 0) for model in gpu.models if model.name not in changed)
    parts = [Part("live", kept), Part("other", gpu.other_bytes)]
    if ghosts:
        parts += _ghost_parts(gpu.outlook, ghosts)
    return parts


def _model_rows(view: PaneView, inner: int, room: int) -> list[Row]:
    """A row per model, a second one with details where there is room, then other memory and the note."""
    entries = [_entry(view, model, inner) for model in view.gpu.models]
    entries += [_coming_row(name, share.total_bytes, inner) for name, share in _coming(view)]
    stranger = _stranger_row(view, inner)
    if stranger:
        entries.append((stranger, None))
    detailed = sum(1 + (detail is not None) for _, detail in entries) <= room
    rows: list[Row] = []
    for row, detail in entries:
        rows.append(row)
        if detailed and detail is not None:
            rows.append(detail)
    if len(rows) > room:
        hidden = len(rows) - room + 1
        rows = [*rows[: max(0, room - 1)], (Span(fit(f"+{hidden} more", inner), "dim"),)][: max(0, room)]
    if view.gpu.note and len(rows) < room:
        rows.append((Span(fit("✎ " + view.gpu.note, inner), "dim"),))
    return rows


def _entry(view: PaneView, model: ModelState, inner: int) -> tuple[Row, Row | None]:
    used = model.used_by_gpu.get(view.gpu.gpu)
    share = dict(view.gpu.outlook.shares).get(model.name)
    reckoned = share.total_bytes if share else 0
    figure = gib(used) if used is not None else f"~{gib(reckoned)}"
    word: str = model.word
    style = WORD_STYLES[model.word]
    if view.after is not None and model.name not in dict(view.after.shares):
        word, style = "leaves", "ghost"
    elif view.after is not None and dict(view.after.shares).get(model.name) != share:
        word, style = "changes", "ghost"
    marker = Span("▸" if view.selected == model.name else " ", "accent")
    name = Span(model.name, "strong" if view.selected == model.name else "text")
    row = ends((marker, name), (Span(f" {word}", style), Span(f"{figure:>7}")), inner)
    return row, _detail_row(model, used, reckoned, inner)


def _detail_row(model: ModelState, used: int | None, reckoned: int, inner: int) -> Row | None:
    parts: list[Span] = [Span(f"   est {gib(reckoned)}", "dim")]
    if used is not None and model.word is ModelWord.SERVING and abs(used - reckoned) > max(0.4 * GiB, reckoned // 8):
        parts.append(Span(f" {(used - reckoned) / GiB:+.1f}", "warning"))
    engine = model.engine
    if engine.kv_usage is not None:
        parts.append(Span(f"  KV {engine.kv_usage:.0%} used", "dim"))
    if engine.waiting:
        parts.append(Span(f", {engine.waiting} waiting", "warning"))
    return ends(tuple(parts), (), inner)


def _coming(view: PaneView) -> Sequence[tuple[str, GpuShare]]:
    if view.after is None:
        return ()
    here = {model.name for model in view.gpu.models}
    return [(name, share) for name, share in view.after.shares if name not in here]


def _coming_row(name: str, size: int, inner: int) -> tuple[Row, None]:
    return ends((Span("+", "ghost"), Span(name, "ghost")), (Span(" comes", "ghost"), Span(f"{gib(size):>7}")), inner), None


def _stranger_row(view: PaneView, inner: int) -> Row | None:
    other = view.gpu.other_bytes
    if other is None or other <= view.gpu.outlook.driver_bytes + GiB // 4:
        return None
    return ends((Span(" other", "other"),), (Span("nobody of the fleet", "dim"), Span(f"{gib(other):>7}")), inner)


class GpuPane(Rows):
    """A pane of a deck. Give it a `PaneView`; it repaints the rows that differ."""

    DEFAULT_CSS = "GpuPane { width: 1fr; height: 1fr; }"

    def __init__(self, view: PaneView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = view

    def show(self, view: PaneView) -> None:
        """Show this from now on."""
        self._view = view
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """A framed pane, or one line where there is no room for a frame."""
        if height < 5 or width < 24:
            return [line_row(self._view, width)]
        return pane_rows(self._view, width, height)
