"""The last line of a screen: what is going on at the left, the keys at the right."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.rows import Row, Rows, Span, ends


class Hints(Rows):
    """One row: a message, then key hints as (key, word) pairs. It does not recompose, so it costs nothing at rest."""

    DEFAULT_CSS = "Hints { height: 1; dock: bottom; }"

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
        """One row; the message comes first, and hints that do not fit beside it are left out from the end."""
        keys: list[Span] = []
        room = width - sum(len(span.text) for span in self._message) - 2
        for key, word in self._hints:
            need = len(key) + len(word) + 3
            if need > room:
                break
            room -= need
            keys += [Span(key, "key"), Span(f" {word}  ", "dim")]
        return [ends((Span(" "), *self._message), tuple(keys), width)]
