"""One GPU as a pane: who it is, what we reckon, what we measure, and the models on it."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.findings.assessment import GpuOutlook
from fleet.readings import Link
from fleet.units import duration, gib
from widgets.bar import Part, bar, share_parts
from widgets.links import LINK_STYLES
from widgets.model_rows import model_rows
from widgets.pane_view import VERDICT_STYLES, PaneView, verdict_text
from widgets.rows import Row, Rows, Span, ends, fit


def pane_rows(view: PaneView, width: int, height: int) -> list[Row]:
    """The pane in exactly ``height`` rows of ``width`` cells; what does not fit is counted in the last line."""
    inner = width - 4
    body = [_estimate_row(view, inner), _live_row(view, inner)]
    room = height - 2 - len(body)
    body += model_rows(view, inner, room)
    body += [()] * (height - 2 - len(body))
    edge = Span("│", "border")
    rows = [_title_row(view, width)]
    rows += [(edge, Span(" "), *ends(_dimmed(view, row), (), inner), Span(" "), edge) for row in body]
    frame = "border-cursor" if view.is_cursor else "border"
    left, middle, right = "┕━┙" if view.is_cursor else "╰─╯"
    rows.append((Span(left + middle * (width - 2) + right, frame),))
    return rows


def line_row(view: PaneView, width: int) -> Row:
    """The whole GPU in one row, for small screens; temperature and power give way to the bars."""
    name = _short_name(view)
    room = width - 25 - _TAIL_CELLS - len(name)
    heat = fit(_heat(view), _HEAT_CELLS if room >= _HEAT_CELLS + 2 * _LEAST_BAR else 0)
    cells = max(3, (room - len(heat)) // 2)
    row = (
        Span("▶" if view.is_cursor else " ", "accent"),
        Span(name, "production" if view.is_production else "strong"),
        Span(heat, "dim"),
        Span(" est ", "dim"),
        *bar(_estimate_parts(view), view.gpu.total_bytes, cells),
        Span(f"{gib(_shown_outlook(view).peak_bytes):>6}"),
        Span(" live ", "dim"),
        *bar(_live_parts(view), view.gpu.total_bytes, cells),
        Span(f"{_live(view):>6} "),
        _line_tail(view),
    )
    return _dimmed(view, row)


_HEAT_CELLS, _LEAST_BAR, _HOST_CELLS, _TAIL_CELLS = 11, 6, 8, 18


def _short_name(view: PaneView) -> str:
    """The GPU's name in a column of its own; a long host's name loses its middle, the index never."""
    host, index = view.gpu.gpu.host, view.gpu.gpu.index
    kept = host if len(host) <= _HOST_CELLS else f"{host[:3]}…{host[-_HOST_CELLS + 4 :]}"
    name = (f"{kept}/{index}" if view.names_host else str(index)) + (" P" if view.is_production else "")
    cells = _HOST_CELLS + 5 if view.names_host else 6 if view.is_production else 4
    return fit(f"({name})" if view.is_faint else name, cells)


def _live(view: PaneView) -> str:
    return "–" if view.gpu.used_bytes is None else gib(view.gpu.used_bytes)


def _line_tail(view: PaneView) -> Span:
    """What is most worth knowing of the GPU beside its memory."""
    if view.verdict:
        return Span(fit(verdict_text(view.verdict), _TAIL_CELLS), VERDICT_STYLES[view.verdict.fit])
    if view.gpu.cordon and view.link is Link.LIVE:
        return Span(fit("cordoned", _TAIL_CELLS), "warning")
    if view.link.is_fresh:
        return Span(fit(_names([name for name, _ in view.gpu.outlook.shares], _TAIL_CELLS) or "free", _TAIL_CELLS))
    return Span(fit(_age(view), _TAIL_CELLS), LINK_STYLES[view.link])


def _names(names: Sequence[str], cells: int) -> str:
    """As many of the names as fit, and how many more there are."""
    for kept in range(len(names), 1, -1):
        words = " ".join((*names[:kept], *([f"+{len(names) - kept}"] if kept < len(names) else ())))
        if len(words) <= cells:
            return words
    if len(names) < 2:
        return "".join(names)
    more = f" +{len(names) - 1}"
    return fit(names[0], min(len(names[0]), cells - len(more))) + more


def _dimmed(view: PaneView, row: Row) -> Row:
    """The row in grey where its data is too old to act on, or a filter leaves it out."""
    if view.link.is_fresh and not view.is_faint:
        return row
    return tuple(Span(span.text, "dim") for span in row)


def _title_row(view: PaneView, width: int) -> Row:
    """Who the GPU is, drawn into the frame. The cursor is this row and the last: a whole frame would be sent anew."""
    frame = "border-cursor" if view.is_cursor else "border"
    left, line, right = "┍━┑" if view.is_cursor else "╭─╮"
    marker = Span(view.labels.get("", "▶" if view.is_cursor else " "), "key" if "" in view.labels else frame)
    letter = " " if "" in view.labels else ""
    title = (
        Span(left, frame),
        marker,
        Span(f"{letter}{view.name} ", "strong"),
        *_production(view),
        *_title(view),
        Span(" "),
    )
    used = sum(len(span.text) for span in title)
    if used > width - 1:
        return (*ends(title, (), width - 1), Span(right, frame))
    return (*title, Span(line * (width - used - 1) + right, frame))


def _production(view: PaneView) -> Row:
    return (Span("PROD", "production"),) if view.is_production else ()


def _title(view: PaneView) -> Row:
    if not view.link.is_fresh:
        return (Span(f" {_age(view)}", LINK_STYLES[view.link]),)
    if view.verdict:
        return (Span(f" {verdict_text(view.verdict)}", VERDICT_STYLES[view.verdict.fit]),)
    pci = view.gpu.pci
    name = Span(f" {view.gpu.accelerator}" + (f" {pci[5:10]}" if pci else ""))
    after = (Span(" AFTER", "ghost"),) if view.show_after and view.after else ()
    cordoned = (Span("  cordoned", "warning"),) if view.gpu.cordon else ()
    return (name, *cordoned, Span("  " + _heat(view), "dim"), *after)


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
        Span("est→ " if view.after else "est  ", "dim"),
        *bar(_estimate_parts(view), outlook.total_bytes, cells),
        Span(" "),
        Span(figures, "ghost" if view.after and style == "strong" else style),
    )


def _live_row(view: PaneView, inner: int) -> Row:
    gpu = view.gpu
    figures = f"{_live(view):>6}/{gib(gpu.total_bytes)}"
    cells = max(4, inner - 5 - len(figures) - 1)
    return (
        Span("live ", "dim"),
        *bar(_live_parts(view), gpu.total_bytes, cells),
        Span(" "),
        Span(figures, "strong"),
    )


def _estimate_parts(view: PaneView) -> list[Part]:
    """Kept models by kind, then what a draft takes away and what it brings."""
    outlook = _shown_outlook(view)
    ghosts = view.after if view.after and not view.show_after else None
    coming = dict(ghosts.shares) if ghosts else {}
    kept = [share for name, share in outlook.shares if ghosts is None or coming.get(name) == share]
    parts = share_parts(kept, outlook.driver_bytes)
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
    if gpu.used_bytes is None:
        return []
    if gpu.other_bytes is None:  # nobody says whose it is
        return [Part("live", gpu.used_bytes)]
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


class GpuPane(Rows):
    """A pane of a deck. Give it a `PaneView`; it repaints the rows that differ."""

    DEFAULT_CSS = "GpuPane { width: 1fr; height: 1fr; }"

    def __init__(self, view: PaneView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = view

    @property
    def view(self) -> PaneView:
        """What it shows."""
        return self._view

    def show(self, view: PaneView) -> None:
        """Show this from now on."""
        self._view = view
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """A framed pane, or one line where there is no room for a frame."""
        if height < 5 or width < 24:
            return [line_row(self._view, width)]
        return pane_rows(self._view, width, height)
