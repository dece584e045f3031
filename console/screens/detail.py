"""One GPU in every detail: who it is in every numbering, where each byte goes, whose processes hold memory."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll

from console.detail.rows import detail_rows
from console.history.recording import path_of
from console.keys import Where, bindings
from console.screens.base import ConsoleScreen
from console.screens.recorded import Recorded
from fleet.history.values import Kind, Subject
from fleet.model import GpuId
from fleet.state import GpuState
from widgets.findings_list import SIGNS
from widgets.header import Header
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph
from widgets.rows import Row, Span


class DetailScreen(ConsoleScreen):
    """A GPU, zoomed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DETAIL)]
    DEFAULT_CSS = "DetailScreen VerticalScroll { height: 1fr; padding: 0 1; }"

    def __init__(self, gpu: GpuId, model: str | None = None) -> None:
        """Of that GPU; ``model`` is the one of its models that keys are about, else its first."""
        super().__init__()
        self._gpu = gpu
        self._model_name = model

    def compose(self) -> ComposeResult:
        """Header, sections, last line."""
        yield Header(self.mode)
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
        healthy = {} if past else self.session.starts
        self.query_one(Header).show(state, self.console.time_of_day(), self.console.past_words)
        self.query_one("#detail", Paragraphs).show(
            lambda cells: detail_rows(gpu, reading, cells, missing, healthy) + self._finding_rows(gpu, cells)
        )
        subjects = (Subject(Kind.GPU, str(gpu.gpu)), *(Subject(Kind.MODEL, model.name) for model in gpu.models))
        self.query_one(Recorded).follow(subjects, {model.name: model.model.args for model in gpu.models})

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

    @property
    def _models(self) -> list[str]:
        """Its models, the one that is meant first."""
        names = [model.name for model in self.console.state.gpu(self._gpu).models]
        return sorted(names, key=lambda name: name != self._model_name)

    def action_logs(self) -> None:
        """Show the log of one of its models."""
        if self.console.rewind.past:
            self.say("This is the past: logs tell of now.", "warning")
        elif self._models:
            self.console.open_logs(self._models[0])
        else:
            self.say("There is no model here.", "warning")

    def action_compare(self) -> None:
        """Show one of its models beside another of them, or of the fleet."""
        here = self._models
        others = [model.name for model in self.console.state.models if model.name not in here]
        if here and len(here) + len(others) > 1:
            self.console.open_compare(*[*here, *others][:2])
        else:
            self.say("There are no two models to compare.", "warning")

    def action_close(self) -> None:
        """Back to the deck."""
        self.dismiss()
