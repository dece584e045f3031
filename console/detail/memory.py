"""Where each byte of a GPU goes: what is estimated of every model by kind, and what is measured beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from console.origins import MARKS
from fleet.estimate import GpuShare, Origin
from fleet.state import GpuState
from fleet.units import gib
from widgets.rows import Row, Span, fit

_WIDE = 132
"""Cells from which every kind has a column of its own."""
_TIGHT = 74
"""Cells below which there is no room between a figure and its mark."""


class _Cell(NamedTuple):
    text: str
    style: str


class _Column(NamedTuple):
    name: str
    sizes: tuple[str, ...]
    """The sizes of a share that it sums up."""
    origin: str
    style: str


_COLUMNS = (
    _Column("weights", ("weights_bytes",), "weights", "weights"),
    _Column("KV cache", ("kv_cache_bytes",), "kv_cache", "kv-cache"),
    _Column("activations", ("activations_bytes",), "activations", "activations"),
    _Column("graphs", ("graphs_bytes",), "graphs", "context"),
    _Column("context", ("context_bytes",), "context", "context"),
    _Column("total", ("total_bytes",), "total", "strong"),
    _Column("low", ("low_bytes",), "total", "dim"),
    _Column("high", ("high_bytes",), "total", "dim"),
)
_NARROW = (
    _Column("weights", ("weights_bytes",), "weights", "weights"),
    _Column("KV", ("kv_cache_bytes",), "kv_cache", "kv-cache"),
    _Column("activ.", ("activations_bytes",), "activations", "activations"),
    _Column("else", ("graphs_bytes", "context_bytes"), "context", "context"),
    _Column("total", ("total_bytes",), "total", "strong"),
    _Column("high", ("high_bytes",), "total", "dim"),
)
_NOTHING = _Cell(" ", "dim")


def memory_table(gpu: GpuState, cells: int) -> list[Row]:
    """A row of names, one for each model, the driver, strangers and memory of no process, and the sums."""
    columns = _COLUMNS if cells >= _WIDE else _NARROW
    names = 22 if cells >= _WIDE else 16 if cells >= _TIGHT else 10
    width = min(12, (cells - 2 - names) // (len(columns) + 1))
    gap = " " if cells >= _TIGHT else ""

    def row(name: str, style: str, figures: dict[str, _Cell], live: _Cell) -> Row:
        shown = (*(figures.get(column.name, _NOTHING) for column in columns), live)
        return (
            Span("  "),
            Span(fit(name, names), style),
            *(Span(f"{cell.text:>{width}}", cell.style) for cell in shown),
        )

    head = {column.name: _Cell(f"{column.name[: width - 1]} ", "dim") for column in columns}
    rows = [row("", "dim", head, _Cell("live ", "dim"))]
    shares = dict(gpu.outlook.shares)
    for model in gpu.models:
        share = shares.get(model.name)
        figures = {column.name: _figure(share, column, gap) for column in columns} if share else {}
        rows.append(row(model.name, "strong", figures, _measured(model.used_by_gpu.get(gpu.gpu), "live", gap)))
    driver = {"total": _Cell(f"{gib(gpu.outlook.driver_bytes)}{gap}{MARKS[Origin.MODELLED]}", "dim")}
    rows.append(row("driver", "dim", driver, _NOTHING))
    strangers = None if gpu.unheld_bytes is None else sum(p.on(gpu.pci or "") for p in gpu.strangers)
    rows.append(row("strangers", "dim", {}, _measured(strangers, "dim", gap)))
    rows.append(row("no process", "dim", {}, _measured(gpu.unheld_bytes, "dim", gap)))
    mark = MARKS[_of_all(shares.values())]
    sums = {
        "total": _Cell(f"{gib(gpu.outlook.peak_bytes)}{gap}{mark}", "strong"),
        "high": _Cell(f"{gib(gpu.outlook.high_bytes)}{gap}{mark}", "strong"),
    }
    rows.append(row(f"of {gib(gpu.total_bytes)}", "strong", sums, _measured(gpu.used_bytes, "strong", gap)))
    return rows


def _figure(share: GpuShare, column: _Column, gap: str) -> _Cell:
    origin: Origin = getattr(share.origins, column.origin)
    size = sum(getattr(share, name) for name in column.sizes)
    return _Cell(f"{gib(size)}{gap}{MARKS[origin]}", column.style)


def _of_all(shares: Iterable[GpuShare]) -> Origin:
    """Of the sum of all models and of what the driver takes, which is modelled."""
    kinds = {share.origins.total for share in shares}
    return Origin.MODELLED if kinds <= {Origin.MODELLED} else Origin.CALIBRATED


def _measured(size: int | None, style: str, gap: str) -> _Cell:
    return _Cell("– " if size is None else f"{gib(size)}{gap}{MARKS[Origin.MEASURED]}", style)
