"""A line in which one value is typed, and that leaves some of its keys to the screen around it."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.widgets import Input

from widgets.line import Line

_ACTIONS = {"cursor_left": "left", "cursor_right": "right"}
"""What the line itself does on keys that it may be told to leave alone."""


class ValueLine(Line):
    """An input whose value is replaced by the first key typed after `fill`."""

    DEFAULT_CSS = """
    ValueLine, ValueLine:focus { border: none; height: 1; padding: 0; background: $panel; width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__(select_on_focus=False)
        self.left_alone: frozenset[str] = frozenset()
        """Keys that are not typed and do not move the cursor."""
        self.leaves_pasted: Callable[[str], bool] = lambda text: False
        """Whether a pasted text is left to the screen around."""

    def fill(self, text: str) -> None:
        """Hold that text, selected, and tell nobody."""
        with self.prevent(Input.Changed):
            self.value = text
        self.select_all()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key left alone means what the screen says."""
        return _ACTIONS.get(action) not in self.left_alone or bool(parameters)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """A key left alone is not typed."""
        return key not in self.left_alone and super().check_consume_key(key, character)

    def on_paste(self, event: events.Paste) -> None:
        """A text left to the screen is not put in; `Input` takes any other."""
        if self.leaves_pasted(event.text):
            event.prevent_default()

    async def _on_key(self, event: events.Key) -> None:
        if event.key in self.left_alone:
            event.prevent_default()
