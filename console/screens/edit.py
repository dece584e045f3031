"""Editing a model's arguments, one at a time, estimated at every keystroke."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from console.keys import Where, bindings
from console.screens.base import ConsoleDialog
from fleet.arguments import Argument, argument, arguments
from fleet.errors import UsageError
from fleet.estimate import Estimate, Outcome
from fleet.findings import Severity
from fleet.findings.assess import Assessment
from fleet.inventory.changes import SetArgument
from fleet.model import Model, Scalar
from fleet.units import count, gib_text
from widgets.findings_list import SIGNS
from widgets.hints import Hints
from widgets.paragraphs import Builder, Paragraphs, paragraph, sentence
from widgets.rows import Row, Span, fit


class EditScreen(ConsoleDialog):
    """Choose an argument with the arrows, type its value, stage it with enter. An empty value takes it away."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.EDIT)]
    DEFAULT_CSS = """
    EditScreen Input { border: tall $accent; height: 3; }
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model_name = model
        self._index = 0

    def compose(self) -> ComposeResult:
        """The arguments, the line being typed, the verdict."""
        with Vertical():
            yield Paragraphs(id="arguments")
            yield Input(select_on_focus=False)
            yield Paragraphs(id="verdict")
        yield Hints()

    def on_mount(self) -> None:
        """Start at the first argument."""
        self.hint(Where.EDIT)
        self._choose(0)
        self.query_one(Input).focus()

    @property
    def _model(self) -> Model:
        return self.session.drafted().model(self._model_name)

    def _arguments(self) -> list[Argument]:
        model = self._model
        known = list(arguments(model.engine.name))
        flags = {known_argument.flag for known_argument in known}
        return known + [argument(model.engine.name, flag) for flag in model.args if flag not in flags]

    def _choose(self, index: int) -> None:
        choices = self._arguments()
        self._index = max(0, min(len(choices) - 1, index))
        value = self._model.args.get(choices[self._index].flag) if choices else None
        line = self.query_one(Input)
        line.value = _text(value)
        line.cursor_position = len(line.value)
        self._show()

    def action_go(self, step: int) -> None:
        """The next argument, or the one before."""
        self._choose(self._index + step)

    def on_input_changed(self) -> None:
        """Estimate again."""
        self._show()

    def on_input_submitted(self) -> None:
        """Enter stages."""
        self.action_stage()

    def action_stage(self) -> None:
        """Stage the value as typed."""
        try:
            change = self._typed()
        except ValueError as error:
            self.query_one(Hints).say(str(error), "error")
            return
        if change is None or self._model.args.get(change.flag) == change.value:
            self.query_one(Hints).say("Nothing changed.")
            return
        self.console.stage(change)
        self.query_one(Hints).say(f"staged: {change.flag} {_text(change.value) or 'as the engine has it'}", "good")
        self._show()

    def _typed(self) -> SetArgument | None:
        """What is being typed as a change; None where the model has no arguments. Raises ValueError."""
        choices = self._arguments()
        if not choices:
            return None
        chosen = choices[self._index]
        text = self.query_one(Input).value.strip()
        return SetArgument(self._model_name, chosen.flag, chosen.parse(text) if text else None)

    def _show(self) -> None:
        rows: list[Row] = [(Span(f"{self._model_name}", "accent"), Span(f"   {self._model.engine}", "dim"))]
        for index, known in enumerate(self._arguments()):
            here = index == self._index
            rows.append(
                (
                    Span("▸ " if here else "  ", "accent"),
                    Span(fit(known.flag, 26), "strong" if here else "text"),
                    Span(fit(_text(self._model.args.get(known.flag)) or "–", 12), "text"),
                    Span(known.help, "dim"),
                )
            )
        if len(rows) == 1:
            rows.append((Span("This engine has no arguments that gpudeck knows; its memory is declared.", "dim"),))
        self.query_one("#arguments", Paragraphs).show(lambda _: rows)
        self.query_one("#verdict", Paragraphs).show(self._verdict())

    def _verdict(self) -> Builder:
        try:
            change = self._typed()
            assessment = self.session.what_if(*([change] if change else []))
        except (ValueError, UsageError) as error:
            return sentence(str(error), "error")
        return lambda width: verdict_rows(assessment, self._model_name, width)


def verdict_rows(assessment: Assessment, name: str, width: int) -> list[Row]:
    """What the engine would say, in figures and in its own words."""
    estimate = assessment.estimates.get(name)
    if estimate is None:
        return [(Span("The model is disabled, so nothing is checked. Carry it (m) to a GPU to see.", "dim"),)]
    rows = [_figures(estimate)]
    place = assessment.inventory.model(name).place
    gpus = set(place.gpu_ids) if place else set()
    for finding in assessment.findings:
        if finding.model == name or finding.gpu in gpus:
            sign, style = SIGNS[finding.severity]
            rows += paragraph(f"{sign} {finding.code} {finding.message}", width - 2, style)
            if finding.fixes:
                rows.append((Span("  fix: " + " | ".join(fix.summary for fix in finding.fixes), "good"),))
    if all(finding.severity is not Severity.ERROR for finding in assessment.findings if finding.model == name):
        rows.append((Span("It will start." if estimate.outcome is Outcome.STARTED else str(estimate.outcome), "good"),))
    return rows


def _figures(estimate: Estimate) -> Row:
    share = estimate.shares[0]
    parts = [f"weights {gib_text(share.weights_bytes)}", f"KV cache {gib_text(share.kv_cache_bytes)}"]
    if estimate.kv_cache_tokens is not None:
        parts.append(f"{count(estimate.kv_cache_tokens)} tokens")
    if estimate.max_concurrency is not None:
        parts.append(f"{estimate.max_concurrency:.1f} x {count(estimate.max_model_len or 0)}")
    parts.append(f"total {gib_text(share.total_bytes)} a GPU")
    return (Span("  ".join(parts), "strong"),)


def _text(value: Scalar) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
