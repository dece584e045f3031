"""A GPU and its models in every detail, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from console.detail.arguments import argument_rows
from console.detail.facts import gpu_facts
from console.detail.links import link_facts, model_path
from console.detail.memory import memory_table
from console.origins import LEGEND, MARKS, start_words
from fleet.readings import HostReading, ProcessReading
from fleet.startup import ModelStart
from fleet.state import GpuState, ModelState
from fleet.telemetry.owners import owner_text
from fleet.units import GiB, count
from widgets.endpoint import endpoint_lines
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, fit

_WIDE = 100
"""Cells from which a process's command line stands beside it."""
_NONE: Mapping[str, ModelStart] = MappingProxyType({})


def detail_rows(
    gpu: GpuState,
    reading: HostReading | None,
    cells: int,
    missing: str = "not read yet",
    healthy: Mapping[str, ModelStart] = _NONE,
) -> list[Row]:
    """The sections: identity, memory, models, processes.

    Args:
        gpu: Whose.
        reading: Its host's; None where there is none.
        cells: The width there is.
        missing: What is said where there is no reading.
        healthy: The newest start of each model that came up, by name.
    """
    rows: list[Row] = [(Span(f"GPU {gpu.gpu}", "accent"), Span(f"   {gpu.accelerator}", "strong"))]
    rows += _identity_rows(gpu, reading, cells, missing)
    if gpu.note:
        rows += paragraph(f"✎ {gpu.note}", cells, "dim")
    rows += [(), *_titled("Where each byte goes, in GiB", LEGEND, cells)]
    rows += memory_table(gpu, cells)
    for model in gpu.models:
        rows += [(), *_model_rows(model, reading, healthy.get(model.name), cells)]
    rows += [(), (Span("Processes that hold memory here", "accent"),)]
    return rows + _process_rows(gpu, reading, cells, missing)


def _titled(title: str, legend: str, cells: int) -> list[Row]:
    """A title with its legend beside it, or below where they do not fit."""
    if len(title) + len(legend) + 3 <= cells:
        return [(Span(title, "accent"), Span(f"   {legend}", "dim"))]
    return [(Span(title, "accent"),), *paragraph(f"  {legend}", cells, "dim")]


def _identity_rows(gpu: GpuState, reading: HostReading | None, cells: int, missing: str) -> list[Row]:
    if gpu.reading is None:
        return [(Span(f"  {missing}", "dim"),)]
    facts = gpu_facts(gpu.reading, reading.exporter if reading else None)
    facts += link_facts(gpu.reading, reading) if reading else []
    rows: list[Row] = []
    for name, text in facts:
        first, *others = paragraph(text, cells - 22, indent="")
        rows += [(Span(f"  {name:<20}", "dim"), *first), *((Span(" " * 22), *row) for row in others)]
    return rows


def _model_rows(model: ModelState, reading: HostReading | None, healthy: ModelStart | None, cells: int) -> list[Row]:
    head = f"   {model.word}   {model.model.engine}   {model.model.source or ''}".rstrip()
    first, *others = paragraph(f"{model.name}{head}", cells, "text", "    ")
    rows: list[Row] = [(Span(model.name, "accent"), Span(first[0].text[len(model.name) :])), *others]
    for words, style in _told(model, reading):
        rows += paragraph(f"  {words}", cells, style, "    ")
    rows += argument_rows(model, healthy, cells)
    for words, style in (
        ("   ".join(filter(None, (model.model.service, model.model.url))), "dim"),
        (f"✎ {model.model.note}" if model.model.note else "", "text"),
    ):
        rows += paragraph(f"  {words}", cells, style, "    ") if words else []
    return rows


def _told(model: ModelState, reading: HostReading | None) -> Iterator[tuple[str, str]]:
    """What is reckoned and read of a model, as lines with their styles."""
    estimate = model.estimate
    if estimate is not None:
        if estimate.kv_cache_tokens is not None:
            words = f"KV cache holds {count(estimate.kv_cache_tokens)} tokens {MARKS[estimate.cache_origin]}"
            if estimate.max_concurrency is not None and estimate.max_model_len:
                words += f": {estimate.max_concurrency:.2f} sequences of {count(estimate.max_model_len)}"
            yield words, "text"
        words = start_words(model.start, estimate.basis) if model.start else "No start of it was read."
        yield f"numbers: {estimate.basis}. {words}", "dim"
        yield from ((note, "dim") for note in estimate.notes)
    yield from endpoint_lines(model.engine)
    if path := model_path(model.model, reading):
        yield path, "text"


def _process_rows(gpu: GpuState, reading: HostReading | None, cells: int, missing: str) -> list[Row]:
    if reading is not None and reading.exporter:
        return paragraph(f"  not known: {reading.exporter}, read through Prometheus, shows none", cells, "dim")
    if reading is None or gpu.pci is None:
        return [(Span(f"  {missing}", "dim"),)]
    holding = [process for process in reading.processes if process.on(gpu.pci)]
    rows = [row for process in holding for row in _holder_rows(process, gpu, cells)] or [(Span("  none", "dim"),)]
    if reading.openers:
        names = ", ".join(f"{process.name} ({process.pid})" for process in reading.openers)
        rows += paragraph(f"  holding nothing, with the driver open: {names}", cells, "dim", "    ")
    return rows


def _holder_rows(process: ProcessReading, gpu: GpuState, cells: int) -> Iterator[Row]:
    """A process that holds memory; its command line, which has no end, is cut, and stands below where it is narrow."""
    figures = f"  {process.pid:>8} {process.state} {process.on(gpu.pci or '') / GiB:>7.1f}  "
    ending = "  killed, not gone" if process.is_ending else ""
    command = process.command_line or process.name
    beside = cells >= _WIDE
    owner = fit(owner_text(process.owner) or "no service", (36 if beside else cells - len(figures) - len(ending)))
    row: Row = (
        Span(figures),
        Span(owner, "other" if process in gpu.strangers else "strong"),
        Span(ending, "error"),
    )
    if beside:
        yield *row, Span("  " + fit(command, cells - len(figures) - 38 - len(ending)), "dim")
    else:
        yield row
        yield (Span(" " * 11 + fit(command, cells - 11), "dim"),)
