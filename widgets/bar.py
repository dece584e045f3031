"""Memory bars: colour and glyph both carry the meaning, so nothing is lost without colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from widgets.rows import Span

if TYPE_CHECKING:
    from fleet.estimate import GpuShare


class Part(NamedTuple):
    """A stretch of a bar: so many bytes of one kind."""

    kind: str
    size: int


GLYPHS = {
    "weights": "█",
    "kv-cache": "▓",
    "activations": "▒",
    "context": "░",
    "live": "█",
    "other": "▚",
    "ghost": "+",
    "leaving": "-",
    "over": "!",
    "free": "·",
}
"""The glyph of each kind; kinds are names of `widgets.palette.STYLES` but for ``leaving`` and ``over``."""

STYLES = {"leaving": "ghost"}

LEGEND = ("weights", "kv-cache", "activations", "context", "other", "free")


def share_parts(shares: Sequence[GpuShare], driver_bytes: int) -> list[Part]:
    """What models and the driver take of one GPU, by kind."""
    return [
        Part("weights", sum(share.weights_bytes for share in shares)),
        Part("kv-cache", sum(share.kv_cache_bytes for share in shares)),
        Part("activations", sum(share.activations_bytes for share in shares)),
        Part("context", sum(share.graphs_bytes + share.context_bytes for share in shares) + driver_bytes),
    ]


def bar(parts: Sequence[Part], total: int, cells: int) -> tuple[Span, ...]:
    """A bar of ``cells`` cells for ``total`` bytes; the rest is free.

    Edges are rounded cumulatively, so the whole is never longer or shorter than its parts; a part that is not
    empty keeps at least one cell while there is room. Where the parts exceed the total, the bar is scaled to the
    parts and what lies beyond the total is drawn as over.
    """
    scale = max(total, sum(part.size for part in parts))
    spans: list[Span] = []
    filled = used = 0
    for part in parts:
        if part.size <= 0:
            continue
        used += part.size
        edge = min(cells, max(filled + 1, round(cells * used / scale)))
        if edge > filled:
            spans.append(Span(GLYPHS[part.kind] * (edge - filled), STYLES.get(part.kind, part.kind)))
            filled = edge
    if filled < cells:
        spans.append(Span(GLYPHS["free"] * (cells - filled), "free"))
    return _with_over(spans, round(cells * total / scale)) if scale > total else tuple(spans)


def _with_over(spans: Sequence[Span], room: int) -> tuple[Span, ...]:
    """The bar with every cell beyond ``room`` drawn as over."""
    kept: list[Span] = []
    over = 0
    for span in spans:
        inside = max(0, min(len(span.text), room))
        if inside:
            kept.append(Span(span.text[:inside], span.style))
        over += len(span.text) - inside
        room -= len(span.text)
    return (*kept, Span(GLYPHS["over"] * over, "error"))


def legend() -> tuple[Span, ...]:
    """What the glyphs mean, in one row."""
    spans: list[Span] = []
    for kind in LEGEND:
        spans += [
            Span(f" {kind.replace('-c', ' c').replace('kv', 'KV')} ", "dim"),
            Span(GLYPHS[kind], kind),
            Span(" "),
        ]
    return tuple(spans)
