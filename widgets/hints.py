"""The last line of a screen: what is going on at the left, the keys at the right; more lines where it takes them."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.paragraphs import paragraph
from widgets.rows import Row, Rows, Span, ends
from widgets.rows import width as row_width


class Hints(Rows):
    """A message, then key hints as (key, word) pairs: one row, unless the message is longer than that."""

    DEFAULT_CSS = "Hints { height: auto; max-height: 4; dock: bottom; }"

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[tuple[str, str], ...] = ()
        self._message: Row = ()

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        """The keys it hints at, each with its word."""
        return self._hints

    def show_keys(self, hints: Sequence[tuple[str, str]]) -> None:
        """Hint at these keys."""
        self._hints = tuple(hints)
        self.redraw()

    def say(self, message: str, style: str = "text") -> None:
        """Show a message at the left until the next one."""
        self._message = (Span(message, style),) if message else ()
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """The message comes first, whole; hints that do not fit beside its last row are left out from the end."""
        *above, last = self._message_rows(width)
        keys: list[Span] = []
        room = width - sum(len(span.text) for span in last) - 2
        for key, word in self._hints:
            need = len(key) + len(word) + 3
            if need > room:
                break
            room -= need
            keys += [Span(key, "key"), Span(f" {word}  ", "dim")]
        return [*((Span(" "), *row) for row in above), ends((Span(" "), *last), tuple(keys), width)]

    def _message_rows(self, cells: int) -> Sequence[Row]:
        if not self._message or row_width(self._message) < cells:
            return [self._message]
        (message,) = self._message
        return paragraph(message.text, cells - 2, message.style, indent="")
