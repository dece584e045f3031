"""The edit form: every argument that decides a model's memory, estimated at every keystroke."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label

from console.editing.form import Field, Form, form
from console.editing.pasting import holds_arguments, pasted
from console.editing.rows import faded, field_row, head_row, idle_rows, placeholder, said_rows, scale_row, verdict_rows
from console.editing.sliders import fit, fits, has_steps, slider, stepped, trial_of
from console.keys import Where, bindings
from console.screens.base import ConsoleDialog
from fleet.calibration.known import recorded_start
from fleet.errors import UsageError
from fleet.estimate.trial import Trial
from fleet.estimate.untold import untold
from fleet.findings.assessment import Assessment
from fleet.inventory.changes import sentence
from fleet.model import Model
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph
from widgets.rows import Row, Span
from widgets.value_line import ValueLine
from widgets.window import Window

_TALL = 36
"""Lines of a screen that has room for the bars of several GPUs."""


_SMALL = 22
"""Lines below which there is no room for bars at all."""
_BELOW_FIELDS = 19
"""Lines of the dialog besides its arguments: its frame, the line being typed, and a long verdict."""


class EditScreen(ConsoleDialog):
    """Choose an argument with the arrows, type its value, stage all that is typed with enter.

    An emptied value takes the argument away. Nothing is staged before enter, so escape forgets what was typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.EDIT)]
    DEFAULT_CSS = """
    EditScreen > Vertical { height: 100%; max-height: 36; }
    EditScreen #verdict { height: 1fr; }
    EditScreen Window { max-height: 30vh; }
    EditScreen Horizontal { height: 1; background: $panel; }
    EditScreen Label { width: 26; color: $accent; text-style: bold; padding-left: 2; }
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model_name = model
        self._index = 0

    def compose(self) -> ComposeResult:
        """The arguments, the line being typed with where it lies, the verdict."""
        self._form: Form = form(self._model)
        self._after: Assessment = self.session.what_if()
        with Vertical():
            yield Paragraphs(self._title, id="title")
            yield Window(id="arguments")
            with Horizontal():
                yield Label(markup=False)
                yield ValueLine()
            yield Paragraphs(id="scale")
            yield Paragraphs(id="verdict")
        yield Hints()

    def on_mount(self) -> None:
        """Start at the first argument."""
        self.query_one(Vertical).styles.max_height = len(self._form.fields) + _BELOW_FIELDS
        self.query_one(ValueLine).leaves_pasted = holds_arguments
        self._choose(0)
        self.query_one(ValueLine).focus()

    @property
    def _model(self) -> Model:
        return self.session.drafted().model(self._model_name)

    @property
    def _field(self) -> Field:
        return self._form.fields[self._index]

    @property
    def _trial(self) -> Trial:
        return trial_of(self._after, self._model_name, recorded_start(self._model, self.session.starts))

    # keys

    def action_go(self, step: int) -> None:
        """The next argument, or the one before."""
        self._choose(self._index + step)

    def action_step(self, way: int) -> None:
        """The next value of the argument, or the one before."""
        text = stepped(self._trial, self._field, way)
        if text is not None:
            self._give(text)

    def action_fit(self) -> None:
        """Give the argument what fits best, and say what that is."""
        found = fit(self._trial, self._field)
        if found.text is not None:
            self._give(found.text)
        self.say(found.sentence, "good" if found.text is not None else "warning")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Estimate again."""
        self._form = self._form.typed(self._index, event.value)
        self._show()

    def on_paste(self, event: events.Paste) -> None:
        """Arguments as on a command line go to their own fields, wherever they are pasted."""
        try:
            self._form, words = pasted(self._form, event.text)
        except UsageError as error:
            self.say(str(error), "error")
            return
        self._fill()
        self._show()
        self.say(words)

    def on_input_submitted(self) -> None:
        """Enter stages."""
        self.action_stage()

    def action_stage(self) -> None:
        """Stage everything typed; a field that is wrong is gone to instead."""
        wrong = self._form.wrong
        if wrong is not None:
            problem = self._form.fields[wrong].problem
            self._choose(wrong)
            self.say(problem, "error")
            return
        changes = self._form.changes
        if not changes:
            self.say("Nothing changed.")
            return
        if not self.console.stage(*changes):
            self.say(self.console.message[0] if self.console.message else "", "error")
            return
        self._form = form(self._model)
        self._choose(self._index)
        what = sentence(changes[0]) if len(changes) == 1 else f"{len(changes)} changes of {self._model_name}"
        self.say(f"staged: {what}", "good")

    # showing

    def _choose(self, index: int) -> None:
        self._index = max(0, min(len(self._form.fields) - 1, index))
        self.query_one(Label).update(self._field.flag or "another argument")
        self._fill()
        self.say("")
        self._show()

    def _give(self, text: str) -> None:
        self._form = self._form.typed(self._index, text)
        self._fill()
        self._show()

    def _fill(self) -> None:
        line = self.query_one(ValueLine)
        line.fill(self._field.text)
        stepping = {"left", "right"} if has_steps(self._field) else set()
        can_fit = fits(self._trial, self._field)
        line.left_alone = frozenset(stepping | ({"f"} if can_fit else set()))
        self.hint(Where.EDIT, without=frozenset() if can_fit else frozenset({"fit"}))

    def _show(self) -> None:
        problem = "" if self._field.problem else self._reckon()
        trial, now, after, name = self._trial, self.session.now(), self._after, self._model_name
        fields, chosen, field = self._form.fields, self._index, self._field
        line = slider(trial, field)
        defaults = [untold(trial, each.flag) for each in fields]
        gpus = 3 if self.size.height >= _TALL else 1 if self.size.height >= _SMALL else 0

        def rows(width: int) -> list[Row]:
            return [
                field_row(each, default, index == chosen, width)
                for index, (each, default) in enumerate(zip(fields, defaults, strict=True))
            ]

        def verdict(width: int) -> list[Row]:
            if name in after.estimates:
                found = verdict_rows(now, after, name, width, gpus)
            else:
                found = idle_rows(trial_of(now, name), trial, width)
            said = paragraph(problem or self._left_out(), width, "error")
            return [*said, *(faded(found) if problem or field.problem else found)]

        def scale(width: int) -> list[Row]:
            return [scale_row(field, defaults[chosen], line, width), *said_rows(field, width)]

        self.query_one(ValueLine).placeholder = placeholder(field, defaults[chosen])
        self.query_one("#arguments", Window).show(rows, chosen)
        self.query_one("#scale", Paragraphs).show(scale)
        self.query_one("#verdict", Paragraphs).show(verdict)

    def _reckon(self) -> str:
        """Estimate what is typed; where it makes no sense together, keep the last estimate and return a sentence."""
        try:
            self._after = self.session.what_if(*self._form.changes)
        except UsageError as error:
            return str(error)
        return ""

    def _left_out(self) -> str:
        """What is wrong with a field that is not being typed, which the estimate therefore leaves out."""
        wrong = self._form.wrong
        return "" if wrong in (None, self._index) else f"Left out: {self._form.fields[wrong].problem}"

    def _title(self, width: int) -> list[Row]:
        model = self._model
        where = f" on {model.place}" if model.place else ""
        rows: list[Row] = [(Span(model.name, "accent"), Span(f"   {model.engine}{where}", "dim")), head_row(width)]
        if len(self._form.fields) == 1:
            rows[1] = (Span("This engine has no arguments that gpudeck knows; its memory is declared.", "dim"),)
        return rows
