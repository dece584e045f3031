"""The wallboard: one word in letters to be read across a room, what is wrong, and the GPUs of one host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from textwrap import wrap

from rich.color import Color
from rich.style import Style

from fleet.findings import Severity
from fleet.state import HostState
from fleet.units import duration
from widgets.findings_list import SIGNS
from widgets.header import header_row
from widgets.large import large, largest_scale
from widgets.links import LINK_STYLES
from widgets.rows import Row, Rows, Span, ends, fit, width
from widgets.wall_tile import tile_rows, tile_scale
from widgets.wall_view import WallAlert, WallView, gpus_worst_first, hosts_worst_first, standing, trouble

READ_ONLY = "READ ONLY"
FRESH_SECONDS = 10.0
"""Up to this age a live reading is called fresh: seconds that tick would be repainted for ever."""
_SHIFTS = ((0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1))
"""Cells and lines by which the picture moves, so that none of it burns in."""
_MARGIN, _MARGIN_LINES = 2, 1
_BRIGHT = ("error", "warning")
"""What keeps its light at night."""
_AIRY_LINES = 30
"""From this height on there are empty lines around the banner."""
_NIGHT = 0.45
"""Share of its light that text keeps at night."""


def frame(view: WallView, cells: int, lines: int) -> list[Row]:
    """The whole picture in exactly that many cells and lines."""
    head = header_row(view.state, cells, clock=view.clock, mode=READ_ONLY)
    notice: list[Row] = [(Span(fit(f" {view.notice}", cells), "warning"),)] if view.notice else []
    room = lines - 2 - len(notice)
    said = _wrongs(view, cells, max(1, room // 8))
    banner = _banner(view, cells, room // 4)
    gap: list[Row] = [()] if lines >= _AIRY_LINES else []
    title = _title(view, cells, room // 12)
    tiles = _tiles(view, cells, room - len(banner) - len(said) - len(title) - 2 * len(gap))
    rows = [head, *gap, *banner, *gap, *said, *title, *tiles]
    body = lines - 1 - len(notice)
    return [*rows[:body], *([()] * (body - len(rows))), *notice, _links(view, cells)]


def _banner(view: WallView, cells: int, lines: int) -> list[Row]:
    """The worst there is to say, as large as fits."""
    worst = trouble(view.state, view.alerts)
    scale = largest_scale(worst.words, cells - 2, lines, coarse=view.coarse)
    if not scale:
        return [(Span(fit(f" {worst.words.upper()}", cells), worst.style),)]
    return [(Span(fit(f" {line}", cells), worst.style),) for line in large(worst.words, scale)]


def _wrongs(view: WallView, cells: int, lines: int) -> list[Row]:
    """Models that are down, alerts and findings, the worst first; how many there is no room for."""
    down = [model for model in view.state.models if model.is_down]
    said = [
        *(WallAlert(Severity.ERROR, f"{model.name} {model.word} on {model.model.place}") for model in down),
        *view.alerts,
        *(WallAlert(finding.severity, finding.message) for finding in standing(view.state)),
    ]
    rows: list[Row] = []
    for number, alert in enumerate(sorted(said, key=lambda alert: alert.severity.rank)):
        left = len(said) - number
        room = lines - len(rows) - (left > 1)
        if rows and room < 1:
            return [*rows, (Span(fit(f"   and {left} more", cells), "dim"),)]
        rows += _sentence(alert, cells, max(1, room))
    return rows


def _sentence(alert: WallAlert, cells: int, lines: int) -> list[Row]:
    """A sentence in as many lines as it takes, or cut where there are fewer."""
    sign, style = SIGNS[alert.severity]
    wrapped = wrap(alert.text, max(20, cells - 4), break_on_hyphens=False)
    shown = wrapped if len(wrapped) <= lines else [alert.text]
    signs = [f" {sign} ", *["   "] * (len(shown) - 1)]
    return [(Span(head, style), Span(fit(line, cells - 3))) for head, line in zip(signs, shown, strict=True)]


def _title(view: WallView, cells: int, lines: int) -> list[Row]:
    """The host whose GPUs follow, where there are several, as large as fits."""
    if len(view.state.hosts) == 1:
        return []
    scale = largest_scale(view.host, cells - 2, lines, coarse=view.coarse)
    drawn = large(view.host, scale) if scale else [view.host]
    return [(Span(fit(f" {line}", cells), "accent"),) for line in drawn]


def _tiles(view: WallView, cells: int, lines: int) -> list[Row]:
    """The GPUs of the host that is shown, the worst first, in the grid that gives them the largest figures."""
    host = view.state.host(view.host)
    order = gpus_worst_first(view.state, host)
    models = max(sum(model.model.enabled for model in gpu.models) for gpu in host.gpus)
    columns = _columns(len(order), models, cells, lines, view.coarse)
    rows_of_tiles = min(-(-len(order) // columns), max(1, lines // 2))
    each, high = cells // columns, max(1, lines // rows_of_tiles)
    scale = tile_scale(each, high, models, coarse=view.coarse)
    shown = islice(order, columns * rows_of_tiles)
    tiles = [tile_rows(gpu, host, severity, each, high, scale, coarse=view.coarse) for gpu, severity in shown]
    rows: list[Row] = []
    for first in range(0, len(tiles), columns):
        beside = tiles[first : first + columns]
        rows += [ends(tuple(span for tile in beside for span in tile[y]), (), cells) for y in range(high)]
    if len(order) > len(tiles):
        rows[-1] = (Span(fit(f"  and {len(order) - len(tiles)} more GPUs of {host.name}", cells), "dim"),)
    return rows


def _columns(tiles: int, models: int, cells: int, lines: int, coarse: bool) -> int:
    """How many tiles stand side by side: as gives the largest figures, then as leaves the fewest places empty."""

    def worth(columns: int) -> tuple[int, int, int]:
        rows = -(-tiles // columns)
        scale = tile_scale(cells // columns, lines // rows, models, coarse=coarse)
        return scale, -(columns * rows - tiles), -abs(columns - 2 * rows)

    return max(range(1, max(1, min(tiles, cells // 18)) + 1), key=worth)


def _links(view: WallView, cells: int) -> Row:
    """The host that is shown, then the others, the worst first: each with its link and the age of its reading."""
    row: Row = ()
    hosts = sorted(hosts_worst_first(view.state), key=lambda host: host.name != view.host)
    for number, host in enumerate(hosts):
        piece = _link(host, host.name == view.host)
        left = len(hosts) - number
        if width((*row, *piece)) > cells - (10 if left > 1 else 0):
            return ends((*row, Span(f"  and {left} more", "dim")), (), cells)
        row = (*row, *piece)
    return ends(row, (), cells)


def _link(host: HostState, shown: bool) -> Row:
    age = "" if host.age_seconds is None else f" {age_words(host.age_seconds)}"
    return (
        Span(" ▸ " if shown else "   ", "accent"),
        Span(host.name),
        Span(f" {host.link}", LINK_STYLES[host.link]),
        Span(age, "dim"),
    )


def age_words(seconds: float) -> str:
    """How old a reading is: ``< 10 s``, ``42 s``, ``3 min``."""
    if seconds < FRESH_SECONDS:
        return f"< {FRESH_SECONDS:.0f} s"
    return duration(seconds if seconds < 60 else seconds // 60 * 60)


def text_of(rows: Sequence[Row]) -> str:
    """The picture as plain text."""
    return "\n".join("".join(span.text for span in row).rstrip() for row in rows)


def dimmed(style: Style) -> Style:
    """The style with less light; colours of the terminal's own palette become its dim ones."""
    colour = style.color
    if colour is None or colour.triplet is None:
        return style + Style(dim=True)
    red, green, blue = (round(part * _NIGHT) for part in colour.triplet)
    return style + Style(color=Color.from_rgb(red, green, blue))


class WallBoard(Rows):
    """The picture, a little smaller than the screen so that it can move, and dimmed at night but for what is wrong."""

    DEFAULT_CSS = "WallBoard { height: 1fr; }"

    def __init__(self, view: WallView) -> None:
        super().__init__()
        self._view = view
        self._shift = 0
        self._is_night = False

    def show(self, view: WallView, *, shift: int = 0, night: bool = False) -> None:
        """Show this, the picture moved on ``shift`` times."""
        self._view = view
        moved, self._shift = shift % len(_SHIFTS) != self._shift, shift % len(_SHIFTS)
        turned, self._is_night = night != self._is_night, night
        if moved or turned:
            self._redraw_all()
        else:
            self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """The frame at its present place."""
        right, down = _SHIFTS[self._shift]
        rows = frame(self._view, max(1, width - _MARGIN), max(1, height - _MARGIN_LINES))
        return [*([()] * down), *((Span(" " * right), *row) for row in rows)]

    def _look_now(self) -> tuple[Style, Mapping[str, Style]]:
        base, styles = super()._look_now()
        if not self._is_night:
            return base, styles
        dark = {name: style if name in _BRIGHT else dimmed(base + style) for name, style in styles.items()}
        return dimmed(base), dark
