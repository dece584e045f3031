"""The GPUs of one host below a heat map: every figure of each in a column, and its models with what they are doing."""

from __future__ import annotations

from collections.abc import Iterator

from console.filter import Predicate
from console.heat_views import is_wanted
from fleet.model import GpuId
from fleet.state import GpuState, HostState, ModelWord
from fleet.units import duration
from widgets.heat import QUANTITIES, Quantity
from widgets.links import LINK_STYLES
from widgets.model_rows import WORD_STYLES
from widgets.rows import Row, Span, ends, fit

_GPU, _FIGURE = 5, 7
"""Cells of a GPU's number, and of each figure."""


def table_lines(host: HostState) -> int:
    """Lines the table of that host takes, with a blank one above it."""
    return 3 + len(host.gpus)


def host_table(host: HostState, here: GpuId, chosen: Quantity, wanted: Predicate | None, cells: int) -> list[Row]:
    """The host, the names of the columns with the ``chosen`` one set off, then a row for each of its GPUs."""
    age = "" if host.link.is_fresh or host.age_seconds is None else f" {duration(host.age_seconds)}"
    kinds = ", ".join(dict.fromkeys(gpu.accelerator for gpu in host.gpus))
    title: Row = (
        Span(f" {host.name} ", "strong"),
        Span(f"{host.link}{age}", LINK_STYLES[host.link]),
        Span(f"   {kinds}, memory in GiB", "dim"),
    )
    names = (Span(f"{each.column:>{_FIGURE}}", "accent" if each is chosen else "dim") for each in QUANTITIES)
    rows = [_row(gpu, cells, is_here=gpu.gpu == here, is_left=is_wanted(gpu, wanted)) for gpu in host.gpus]
    return [(), *(ends(row, (), cells) for row in (title, (Span(" " * _GPU), *names), *rows))]


def _row(gpu: GpuState, cells: int, *, is_here: bool, is_left: bool) -> Row:
    """A GPU; all in grey where the filter does not leave it."""
    spans = [Span(f"{' ▸' if is_here else '  '}{gpu.gpu.index:<{_GPU - 2}}", "strong" if is_here else "text")]
    for each in QUANTITIES:
        heat = each.read(gpu)
        spans.append(Span(f"{heat.text if heat else '–':>{_FIGURE}}", each.style(heat)))
    spans += [Span("  "), *_models(gpu, cells - _GPU - _FIGURE * len(QUANTITIES) - 2)]
    return tuple(spans) if is_left else tuple(Span(span.text, "free") for span in spans)


def _models(gpu: GpuState, cells: int) -> Iterator[Span]:
    """Its models and what those do that do not serve, as many as there is room for, and how many more there are."""
    if gpu.cordon:
        yield Span(f"{gpu.cordon.words}  ", "warning")
        cells -= len(gpu.cordon.words) + 2
    if not gpu.models:
        yield Span("free", "dim")
    for number, model in enumerate(gpu.models):
        word = "" if model.word is ModelWord.SERVING else f" {model.word}"
        left = len(gpu.models) - number - 1
        more = f" +{left}" if left else ""
        between = ", " if number else ""
        if number and len(between + model.name + word + more) > cells:
            yield Span(f" +{left + 1}", "dim")
            return
        name = between + model.name
        yield Span(name if len(name + word + more) <= cells else fit(name, cells - len(word + more)))
        yield Span(word, WORD_STYLES[model.word])
        cells -= len(name + word)
