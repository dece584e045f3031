"""One line in which something is typed: a filter, a command. Hidden until it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

from widgets.line import Line


class Prompt(Horizontal):
    """A sign and a line. It remembers what was submitted, per sign; up and down go through it."""

    DEFAULT_CSS = """
    Prompt { display: none; height: 1; dock: bottom; margin-bottom: 1; background: $panel; }
    Prompt.-open { display: block; }
    Prompt Label { width: 2; color: $accent; text-style: bold; }
    Prompt Input, Prompt Input:focus { border: none; height: 1; padding: 0; background: $panel; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False, id="prompt.cancel"),
        Binding("tab", "complete", show=False, id="prompt.complete", priority=True),
        Binding("up", "older", show=False, id="prompt.older", priority=True),
        Binding("down", "newer", show=False, id="prompt.newer", priority=True),
    ]

    class Typed(Message):
        """The text is now this."""

        def __init__(self, sign: str, text: str) -> None:
            super().__init__()
            self.sign = sign
            self.text = text

    class Submitted(Typed):
        """The operator pressed enter."""

    class Cancelled(Message):
        """The operator pressed escape."""

        def __init__(self, sign: str) -> None:
            super().__init__()
            self.sign = sign

    def __init__(self) -> None:
        super().__init__()
        self._sign = ""
        self._submitted: dict[str, list[str]] = {}
        self._position = 0

    def compose(self) -> ComposeResult:
        """The sign and the line."""
        yield Label("", markup=False)
        yield Line(select_on_focus=False)

    @property
    def is_open(self) -> bool:
        """Whether something is being typed."""
        return self.has_class("-open")

    def ask(self, sign: str, text: str = "", suggestions: Sequence[str] = ()) -> None:
        """Open with that sign and text."""
        self._sign = sign
        self._position = 0
        self.query_one(Label).update(f"{sign} ")
        line = self.query_one(Input)
        line.suggester = SuggestFromList(suggestions) if suggestions else None
        line.value = text
        line.cursor_position = len(text)
        self.add_class("-open")
        self.screen.set_focus(line)

    def close(self) -> None:
        """Hide."""
        self.remove_class("-open")

    def take(self, event: events.Key) -> None:
        """Take a key that was typed before the line had the focus; no other meaning of it is looked for."""
        if self.is_open and event.is_printable and event.character:
            event.prevent_default()
            self.query_one(Input).insert_text_at_cursor(event.character)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell what is typed."""
        event.stop()
        if self.is_open:
            self.post_message(self.Typed(self._sign, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell what was submitted, and remember it."""
        event.stop()
        text = event.value.strip()
        known = self._submitted.setdefault(self._sign, [])
        if text and text not in known[-1:]:
            known.append(text)
        self.close()
        self.post_message(self.Submitted(self._sign, text))

    def action_cancel(self) -> None:
        """Hide, and tell."""
        self.close()
        self.post_message(self.Cancelled(self._sign))

    def action_complete(self) -> None:
        """Take the suggestion."""
        line = self.query_one(Input)
        line.action_end()
        line.action_cursor_right()

    def action_older(self) -> None:
        """What was submitted before."""
        self._recall(1)

    def action_newer(self) -> None:
        """What was submitted after it."""
        self._recall(-1)

    def _recall(self, step: int) -> None:
        known = self._submitted.get(self._sign, [])
        self._position = max(0, min(len(known), self._position + step))
        line = self.query_one(Input)
        line.value = known[-self._position] if self._position else ""
        line.cursor_position = len(line.value)
