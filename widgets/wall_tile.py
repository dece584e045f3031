"""One GPU on a wallboard: a stripe of its state, its memory in per cent as large as fits, and its models."""

from __future__ import annotations

from fleet.findings import Severity
from fleet.state import GpuState, HostState
from fleet.units import gib
from widgets.large import large, large_height, largest_scale
from widgets.model_rows import WORD_STYLES
from widgets.rows import Row, Span, ends, fit

_STRIPES = {
    Severity.ERROR: Span("█ ", "error"),
    Severity.WARNING: Span("▌ ", "warning"),
    Severity.INFO: Span("▏ ", "good"),
}
_FIGURE = "88"
"""As wide as the usual figure."""
_UNKNOWN = "--"
_FAR_SCALE = 3
"""From this scale on there is room for the GPU's number in blocks too."""


def tile_scale(cells: int, lines: int, models: int, *, coarse: bool = False) -> int:
    """The scale the figure has in a tile of that size; 0 where it is plain text.

    Where it would be large, the models get their lines first.
    """
    bare, beside = (largest_scale(_FIGURE, cells - 3, lines - 2 - more, coarse=coarse) for more in (0, models + 2))
    return max(beside, min(bare, _FAR_SCALE - 1))


def tile_rows(
    gpu: GpuState, host: HostState, severity: Severity, cells: int, lines: int, scale: int, *, coarse: bool = False
) -> list[Row]:
    """The tile in exactly that many cells and lines, its figure in that scale."""
    known = host.link.is_heard
    stripe = _STRIPES[severity]
    style = "dim" if not known else "strong" if severity is Severity.INFO else stripe.style
    room = cells - 3
    beside = Span(f"  {_heat(gpu)}", "dim") if known else Span(f"  {host.link}".upper(), "error")
    figure = _percent(gpu) if known else _UNKNOWN
    sizes = f"{'%' if known else 'was'} {_sizes(gpu)}"
    sizes = sizes if scale else f"{figure} {sizes}"
    sizes += " GiB" if len(sizes) + _shorter_by(gpu) + 4 <= room else ""
    rows = [
        *_head(str(gpu.gpu.index), beside, room, far=scale >= _FAR_SCALE and not coarse),
        *_figure(figure, style, room, scale, coarse),
        ends((Span(sizes, "text" if known else "dim"),), (), room),
        *(
            ends((Span(model.name),), (Span(f" {model.word}", WORD_STYLES[model.word]),), room)
            for model in sorted(gpu.models, key=lambda model: not model.is_down)
            if model.model.enabled
        ),
    ]
    rows = [*rows[:lines], *([(Span(" " * room),)] * (lines - len(rows)))]
    return [(stripe, *row, Span(" ")) for row in rows]


def _head(number: str, beside: Span, cells: int, *, far: bool) -> list[Row]:
    """The GPU's number, in blocks if it is to be read from afar, and what is said beside it."""
    if not far:
        return [ends((Span(number, "strong"), beside), (), cells)]
    first, *others = large(number, 1)
    return [
        ends((Span(first, "strong"), beside), (), cells),
        *((Span(fit(line, cells), "strong"),) for line in others),
    ]


def _percent(gpu: GpuState) -> str:
    """Memory in use in whole per cent, never rounded up to a full GPU."""
    if gpu.used_bytes is None or not gpu.total_bytes:
        return _UNKNOWN
    return str(100 * gpu.used_bytes // gpu.total_bytes)


def _figure(text: str, style: str, cells: int, scale: int, coarse: bool) -> list[Row]:
    """A figure in that scale; a third digit takes a smaller one."""
    lines = large_height(scale)
    drawn = large(text, min(scale, largest_scale(text, cells, lines, coarse=coarse))) if scale else []
    return [(Span(fit(line, cells), style),) for line in (*drawn, *([""] * (lines - len(drawn))))]


def _heat(gpu: GpuState) -> str:
    reading = gpu.reading
    if reading is None:
        return ""
    heat = f"{reading.temperature_c:.0f} °C  " if reading.temperature_c is not None else ""
    return heat + (f"{reading.power_w:.0f} W" if reading.power_w is not None else "")


def _sizes(gpu: GpuState) -> str:
    return f"{_used(gpu)}/{gib(gpu.total_bytes)}"


def _used(gpu: GpuState) -> str:
    return "–" if gpu.used_bytes is None else gib(gpu.used_bytes)


def _shorter_by(gpu: GpuState) -> int:
    """Cells by which the memory in use is shorter than that of a full GPU: tiles alike have the unit, or have not."""
    return max(0, len(gib(gpu.total_bytes)) - len(_used(gpu)))
