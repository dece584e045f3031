"""A kind of layers and the pages it keeps in the pool."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.architecture.architecture import Span


@dataclass(frozen=True, slots=True)
class Pages:
    """Layers that are alike: each keeps one page of ``page_bytes`` for every ``block`` tokens it looks back on."""

    count: int
    page_bytes: int
    block: int
    span: Span = Span.FULL
    window: int | None = None
    """Tokens a sliding, chunked or cross-attending layer keeps; the pages of one request's recurrent state."""
