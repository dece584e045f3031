"""A line to type in."""

from __future__ import annotations

from typing import Any

from textual.widgets import Input


class Line(Input):
    """Its cursor stands still: what blinks sends bytes, and nothing on the screen moves by itself."""

    def __init__(self, **settings: Any) -> None:
        """With the settings of Textual's `Input`."""
        super().__init__(**settings)
        self.cursor_blink = False
