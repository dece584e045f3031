"""Lines out of what a host sends, whatever it sends."""

from __future__ import annotations

LINE_LIMIT = 1 << 16
"""Bytes of one line that are kept; the rest of a longer one is dropped."""


class LineSplitter:
    """Cuts a stream of bytes into lines of text, holding never more than one line of LINE_LIMIT bytes."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that this chunk completes, without their ends."""
        *whole, rest = chunk.split(b"\n")
        lines = []
        for piece in whole:
            self._extend(piece)
            lines.append(self._begun.decode("utf-8", "replace"))
            self._begun.clear()
        self._extend(rest)
        return lines

    def _extend(self, piece: bytes) -> None:
        self._begun += piece[: LINE_LIMIT - len(self._begun)]
