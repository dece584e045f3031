"""One GPU in every detail: who it is in every numbering, where each byte goes, whose processes hold memory."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll

from console.gpu_facts import gpu_facts
from console.history.recording import path_of
from console.keys import Where, bindings
from console.memory_table import memory_table
from console.origins import LEGEND, MARKS, start_words
from console.screens.base import ConsoleScreen
from console.screens.recorded import Recorded
from fleet.history.values import Kind, Subject
from fleet.live.drift import differences
from fleet.model import GpuId
from fleet.readings import GpuReading, HostReading
from fleet.state import GpuState, ModelState
from fleet.telemetry.owners import owner_text
from fleet.units import GiB, count
from widgets.endpoint import endpoint_lines
from widgets.findings_list import SIGNS
from widgets.header import Header
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph
from widgets.rows import Row, Span, fit


class DetailScreen(ConsoleScreen):
    """A GPU, zoomed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DETAIL)]
    DEFAULT_CSS = "DetailScreen VerticalScroll { height: 1fr; padding: 0 1; }"

    def __init__(self, gpu: GpuId) -> None:
        super().__init__()
        self._gpu = gpu

    def compose(self) -> ComposeResult:
        """Header, sections, last line."""
        yield Header()
        with VerticalScroll():
            yield Paragraphs(id="detail")
            past = self.console.rewind.past
            yield Recorded(path_of(self.session), until=past.at if past else None)
        yield Hints()

    def on_mount(self) -> None:
        """Show it."""
        self.query_one("#detail", Paragraphs).show_grey(self.console.rewind.past is not None)
        self.hint(Where.DETAIL)
        self.query_one(VerticalScroll).focus()
        self.show_state()

    def show_state(self) -> None:
        """Show the newest readings, or what was recorded of the past that the deck shows."""
        state, past = self.console.state, self.console.rewind.past
        gpu = state.gpu(self._gpu)
        snapshot = None if past else self.session.board.latest(self._gpu.host)
        missing = "not recorded" if past else "not read yet"
        reading = snapshot.reading if snapshot else None
        self.query_one(Header).show(state, self.console.time_of_day(), self.console.past_words)
        self.query_one("#detail", Paragraphs).show(
            lambda cells: detail_rows(gpu, reading, cells, missing) + self._finding_rows(gpu, cells)
        )
        models = (Subject(Kind.MODEL, model.name) for model in gpu.models)
        self.query_one(Recorded).follow((Subject(Kind.GPU, str(gpu.gpu)), *models))

    def _finding_rows(self, gpu: GpuState, cells: int) -> list[Row]:
        names = {model.name for model in gpu.models}
        found = [f for f in self.console.state.findings if f.gpu == gpu.gpu or f.model in names]
        rows: list[Row] = [(), (Span("Findings", "accent"),)] if found else []
        for finding in found:
            sign, style = SIGNS[finding.severity]
            tense = "THEN" if self.console.rewind.past else finding.tense.upper()
            rows += paragraph(f"  {sign} {tense} {finding.code} {finding.message}", cells, style, "    ")
        return rows

    def action_window(self) -> None:
        """Show what was recorded over an hour, a day or a week."""
        self.query_one(Recorded).next_window()

    def action_compare(self) -> None:
        """Show its first model beside its second, or beside another of the fleet."""
        here = [model.name for model in self.console.state.gpu(self._gpu).models]
        others = [model.name for model in self.console.state.models if model.name not in here]
        if here and len(here) + len(others) > 1:
            self.console.open_compare(*[*here, *others][:2])
        else:
            self.say("There are no two models to compare.", "warning")

    def action_close(self) -> None:
        """Back to the deck."""
        self.dismiss()


def detail_rows(gpu: GpuState, reading: HostReading | None, cells: int, missing: str = "not read yet") -> list[Row]:
    """The sections: identity, memory, models, processes; where there is no reading, what is said instead."""
    rows: list[Row] = [(Span(f"GPU {gpu.gpu}", "accent"), Span(f"   {gpu.accelerator}", "strong"))]
    rows += _identity_rows(gpu.reading, reading.exporter if reading else None, missing)
    if gpu.note:
        rows += paragraph(f"✎ {gpu.note}", cells, "dim")
    rows += [(), (Span("Where each byte goes, in GiB", "accent"), Span(f"   {LEGEND}  and live", "dim"))]
    rows += memory_table(gpu, cells)
    for model in gpu.models:
        rows += [(), *_model_rows(model, cells)]
    rows += [(), (Span("Processes that hold memory here", "accent"),)]
    return rows + _process_rows(gpu, reading, cells, missing)


def _identity_rows(reading: GpuReading | None, exporter: str | None, missing: str) -> list[Row]:
    if reading is None:
        return [(Span(f"  {missing}", "dim"),)]
    return [(Span(f"  {name:<20}", "dim"), Span(text)) for name, text in gpu_facts(reading, exporter)]


def _model_rows(model: ModelState, cells: int) -> list[Row]:
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
        rows += [(Span(f"  {note}", "dim"),) for note in estimate.notes]
    for words, style in endpoint_lines(model.engine):
        rows += paragraph(f"  {words}", cells, style, "    ")
    args = "  ".join(f"{flag} {value}" for flag, value in model.model.args.items())
    rows += [(Span(f"  {args}", "dim"),)] if args else []
    rows += _drift_rows(model)
    rows += [(Span(f"  {model.model.service}   {model.model.url or ''}", "dim"),)] if model.model.service else []
    rows += [(Span(f"  ✎ {model.model.note}", "dim"),)] if model.model.note else []
    return rows


def _drift_rows(model: ModelState) -> list[Row]:
    """The fleet file against what runs, as a diff."""
    rows: list[Row] = []
    for each in differences(model.model, model.start) if model.start and model.model.enabled else ():
        if each.in_file is not None:
            rows.append((Span(f"  - {each.name} {each.in_file}", "error"), Span("   fleet file", "dim")))
        if each.running is not None:
            rows.append((Span(f"  + {each.name} {each.running}", "good"), Span("   running", "dim")))
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
