"""A GPU and its models in every detail, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from console.detail.arguments import argument_rows
from console.detail.links import link_facts, model_path
from console.gpu_facts import gpu_facts
from console.memory_table import memory_table
from console.origins import LEGEND, MARKS, start_words
from fleet.readings import HostReading
from fleet.startup import ModelStart
from fleet.state import GpuState, ModelState
from fleet.telemetry.owners import owner_text
from fleet.units import GiB, count
from widgets.endpoint import endpoint_lines
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, fit

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
    rows += [(), (Span("Where each byte goes, in GiB", "accent"), Span(f"   {LEGEND}", "dim"))]
    rows += memory_table(gpu, cells)
    for model in gpu.models:
        rows += [(), *_model_rows(model, reading, healthy.get(model.name), cells)]
    rows += [(), (Span("Processes that hold memory here", "accent"),)]
    return rows + _process_rows(gpu, reading, cells, missing)


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
    rows: list[Row] = [
        (Span(model.name, "accent"), Span(f"   {model.word}   {model.model.engine}   {model.model.source or ''}"))
    ]
    estimate = model.estimate
    if estimate is not None and estimate.kv_cache_tokens is not None:
        words = f"  KV cache holds {count(estimate.kv_cache_tokens)} tokens {MARKS[estimate.cache_origin]}"
        if estimate.max_concurrency is not None and estimate.max_model_len:
            words += f": {estimate.max_concurrency:.2f} sequences of {count(estimate.max_model_len)}"
        rows.append((Span(words),))
    if estimate is not None:
        words = start_words(model.start, estimate.basis) if model.start else "No start of it was read."
        rows.append((Span(f"  numbers: {estimate.basis}. {words}", "dim"),))
        rows += [row for note in estimate.notes for row in paragraph(f"  {note}", cells, "dim", "    ")]
    for words, style in endpoint_lines(model.engine):
        rows += paragraph(f"  {words}", cells, style, "    ")
    if path := model_path(model.model, reading):
        rows += paragraph(f"  {path}", cells, "text", "    ")
    rows += argument_rows(model, healthy, cells)
    rows += [(Span(f"  {model.model.service}   {model.model.url or ''}", "dim"),)] if model.model.service else []
    rows += paragraph(f"  ✎ {model.model.note}", cells, "text", "    ") if model.model.note else []
    return rows


def _process_rows(gpu: GpuState, reading: HostReading | None, cells: int, missing: str) -> list[Row]:
    if reading is not None and reading.exporter:
        return paragraph(f"  not known: {reading.exporter}, read through Prometheus, shows none", cells, "dim")
    if reading is None or gpu.pci is None:
        return [(Span(f"  {missing}", "dim"),)]
    holding = [process for process in reading.processes if process.on(gpu.pci)]
    rows: list[Row] = [
        (
            Span(f"  {process.pid:>8} {process.state} {process.on(gpu.pci) / GiB:>7.1f}  "),
            Span(fit(owner_text(process.owner) or "no service", 36), "other" if process in gpu.strangers else "strong"),
            Span("killed, not gone  ", "error") if process.is_ending else Span(""),
            Span(fit(process.command_line or process.name, max(10, cells - 58 - 18 * process.is_ending)), "dim"),
        )
        for process in holding
    ] or [(Span("  none", "dim"),)]
    if reading.openers:
        names = ", ".join(f"{process.name} ({process.pid})" for process in reading.openers)
        rows += paragraph(f"  holding nothing, with the driver open: {names}", cells, "dim", "    ")
    return rows
