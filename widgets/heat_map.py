"""Every GPU of a fleet as one cell, its hosts beside one another, at three sizes; one cursor over all of them.

Each column of hosts is a widget, so that of a line only the hosts are sent again that changed; figures are shown in
eighths, so that most of a thousand GPUs whose readings change from second to second look as they did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from textual import events
from textual.message import Message
from textual.widget import Widget

from fleet.model import GpuId
from fleet.readings import Link
from fleet.units import duration
from widgets.deck import Way
from widgets.links import LINK_SIGNS, LINK_STYLES
from widgets.rows import Row, Rows, Span, fit

_IN_LINE = 16
"""GPUs of one host that stand in one line."""
_FIGURE, _FRESHNESS = 6, 7
_MOST_NAME = 12


class Size(IntEnum):
    """How much of the screen a GPU has."""

    CELLS = 0
    NAMES = 1
    """Cells, and before them the name of their host."""
    FIGURES = 2
    """Figures, and before them the name of their host and how old they are."""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One GPU as it is drawn."""

    gpu: GpuId
    glyph: str
    text: str
    """Its figure."""
    style: str


@dataclass(frozen=True, slots=True)
class HeatHost:
    """One host as it is drawn."""

    name: str
    link: Link
    age_seconds: float | None
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where hosts stand: all in blocks of one size, line by line."""

    in_line: int
    """Cells of a host in one line."""
    lines: int
    """Of one host."""
    before: int
    """Columns before the cells of a host."""
    cell: int
    """Columns of one cell."""
    columns: int
    """Hosts beside one another."""
    block: int
    """Columns of one host with what stands between hosts."""

    def height(self, hosts: int) -> int:
        """Lines of so many hosts."""
        return -(-hosts // self.columns) * self.lines

    def line_of(self, host: int, cell: int) -> int:
        """The line a cell stands in."""
        return host // self.columns * self.lines + cell // self.in_line


class _Column(Rows):
    """Hosts below one another."""

    DEFAULT_CSS = "HeatMap > _Column { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[Row] = ()

    def show(self, lines: Sequence[Row]) -> None:
        """Show these."""
        self._lines = lines
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """As they were given."""
        return self._lines


class HeatMap(Widget, can_focus=False):
    """A fleet of cells. It scrolls by itself, so that only what is seen is composed."""

    DEFAULT_CSS = "HeatMap { height: 1fr; layout: horizontal; }"

    class CursorMoved(Message):
        """The cursor is on another GPU."""

    class Chosen(Message):
        """A GPU was clicked that the cursor was on already."""

    def __init__(self, hosts: Sequence[HeatHost]) -> None:
        super().__init__()
        self._hosts = tuple(hosts)
        self._columns: list[_Column] = []
        self._stood: _Grid | None = None
        self._host = self._cell = self._top = 0
        self._chosen_size: Size | None = None

    # what it shows

    def show(self, hosts: Sequence[HeatHost]) -> None:
        """Show these hosts; the cursor stays on its GPU, wherever that now stands."""
        here = self.gpu
        self._hosts = tuple(hosts)
        self._seek(here)
        self._follow()
        self.redraw()

    @property
    def cell_size(self) -> Size:
        """As chosen; else the largest at which the whole fleet is seen."""
        if self._chosen_size is not None:
            return self._chosen_size
        for size in (Size.FIGURES, Size.NAMES):
            if self._grid(size).height(len(self._hosts)) <= self.size.height:
                return size
        return Size.CELLS

    @property
    def most_lines(self) -> int:
        """Lines the whole fleet takes at the size that was chosen, or at the largest where none was."""
        size = Size.FIGURES if self._chosen_size is None else self._chosen_size
        return self._grid(size).height(len(self._hosts))

    def zoom(self, step: int) -> bool:
        """Draw larger or smaller; False where it is as large or small as can be."""
        wanted = self.cell_size + step
        if wanted not in tuple(Size):
            return False
        self._chosen_size = Size(wanted)
        self._follow()
        self.redraw()
        return True

    def _grid(self, size: Size) -> _Grid:
        most = max((len(host.cells) for host in self._hosts), default=1)
        name = 2 + min(_MOST_NAME, max((len(host.name) for host in self._hosts), default=0)) + 1
        in_line, cells = min(most, _IN_LINE), self.size.width or 80
        if size is Size.FIGURES:
            before, cell = name + _FRESHNESS, _FIGURE
            in_line = max(1, min(in_line, (cells - before) // cell))
        else:
            before, cell = name if size is Size.NAMES else 0, 1
        block = before + in_line * cell + (2 if size is Size.NAMES else 1)
        return _Grid(in_line, -(-most // in_line), before, cell, max(1, (cells + 1) // block), block)

    def redraw(self) -> None:
        """Show in every column what is seen of its hosts."""
        if not self.size.width:
            return
        grid = self._grid(self.cell_size)
        self._stand(grid)
        last = min(grid.height(len(self._hosts)), self._top + self.size.height)
        for column, widget in enumerate(self._columns[: grid.columns]):
            widget.show([self._line(grid, line, column) for line in range(self._top, last)])

    def _stand(self, grid: _Grid) -> None:
        """As many columns as the grid has, as wide as its blocks."""
        if grid == self._stood:
            return
        self._stood = grid
        missing = [_Column() for _ in range(grid.columns - len(self._columns))]
        self._columns += missing
        self.mount(*missing)
        for number, column in enumerate(self._columns):
            column.display = number < grid.columns
            column.styles.width = grid.block

    def _line(self, grid: _Grid, line: int, column: int) -> Row:
        """One line of one host."""
        number = line // grid.lines * grid.columns + column
        if number >= len(self._hosts):
            return ()
        host, part = self._hosts[number], line % grid.lines * grid.in_line
        before = self._before(host, grid, here=number == self._host, is_first=part == 0) if grid.before else []
        chosen = self._cell - part if number == self._host else -1
        return (*before, *_cells(host.cells[part : part + grid.in_line], chosen, grid))

    def _before(self, host: HeatHost, grid: _Grid, *, here: bool, is_first: bool) -> list[Span]:
        if not is_first:
            return [Span(" " * grid.before)]
        wide = grid.cell > 1
        name = grid.before - 3 - (_FRESHNESS if wide else 0)
        style = "text" if host.link is Link.LIVE else LINK_STYLES[host.link]
        spans = [
            Span("▸" if here else " ", "accent"),
            Span(LINK_SIGNS[host.link], style),
            Span(f"{fit(host.name, name)} ", "strong" if here else style),
        ]
        if wide:
            spans.append(Span(fit(_freshness(host), _FRESHNESS), style if host.link is not Link.LIVE else "dim"))
        return spans

    # where the cursor is

    @property
    def gpu(self) -> GpuId | None:
        """The GPU under the cursor; None where there is none."""
        if not self._hosts or not self._hosts[self._host].cells:
            return None
        return self._hosts[self._host].cells[self._cell].gpu

    def go_to(self, gpu: GpuId | None) -> None:
        """Put the cursor there."""
        before = self._host, self._cell
        self._seek(gpu)
        self._moved(before)

    def go(self, way: Way) -> None:
        """Move the cursor one cell, and from the edge of a host to the next."""
        before, grid = (self._host, self._cell), self._grid(self.cell_size)
        if way in ("left", "right"):
            self._go_along(1 if way == "right" else -1)
        else:
            self._go_down(1 if way == "down" else -1, grid)
        self._moved(before)

    def page(self, step: int) -> None:
        """Move the cursor by what is seen at once."""
        before, grid = (self._host, self._cell), self._grid(self.cell_size)
        hosts = max(1, self.size.height // grid.lines) * grid.columns * step
        self._go_to_host(max(0, min(len(self._hosts) - 1, self._host + hosts)), self._cell)
        self._moved(before)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell under the mouse."""
        grid = self._grid(self.cell_size)
        line = self._top + event.screen_y - self.region.y
        column, x = divmod(event.screen_x - self.region.x, grid.block)
        host = line // grid.lines * grid.columns + column
        cell = line % grid.lines * grid.in_line + (x - grid.before) // grid.cell
        if column < grid.columns and host < len(self._hosts) and 0 <= cell < len(self._hosts[host].cells):
            before = self._host, self._cell
            self._host, self._cell = host, cell
            if before == (host, cell):
                self.post_message(self.Chosen())
            self._moved(before)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._follow()
        self.redraw()

    def _go_along(self, step: int) -> None:
        cell = self._cell + step
        if 0 <= cell < len(self._hosts[self._host].cells):
            self._cell = cell
        elif 0 <= self._host + step < len(self._hosts):
            self._go_to_host(self._host + step, 0 if step > 0 else len(self._hosts[self._host + step].cells) - 1)

    def _go_down(self, step: int, grid: _Grid) -> None:
        cell = self._cell + step * grid.in_line
        host = self._host + step * grid.columns
        if 0 <= cell < len(self._hosts[self._host].cells):
            self._cell = cell
        elif 0 <= host < len(self._hosts):
            last = (len(self._hosts[host].cells) - 1) // grid.in_line * grid.in_line
            self._go_to_host(host, self._cell % grid.in_line + (0 if step > 0 else last))

    def _go_to_host(self, host: int, cell: int) -> None:
        self._host, self._cell = host, max(0, min(cell, len(self._hosts[host].cells) - 1))

    def _seek(self, gpu: GpuId | None) -> None:
        for number, host in enumerate(self._hosts):
            if gpu is not None and host.name == gpu.host:
                self._go_to_host(number, gpu.index)
                return
        self._go_to_host(min(self._host, len(self._hosts) - 1), self._cell)

    def _follow(self) -> None:
        """Scroll as little as brings the cursor into sight, and never past the end."""
        grid, height = self._grid(self.cell_size), max(1, self.size.height)
        line = grid.line_of(self._host, self._cell)
        top = max(line - height + 1, min(self._top, line))
        self._top = max(0, min(top, grid.height(len(self._hosts)) - height))

    def _moved(self, before: tuple[int, int]) -> None:
        if before != (self._host, self._cell):
            self._follow()
            self.redraw()
            self.post_message(self.CursorMoved())


def _cells(cells: Sequence[HeatCell], chosen: int, grid: _Grid) -> list[Span]:
    """The cells of one host in one line."""
    return [
        Span(
            f"{cell.text:>{grid.cell - 1}} " if grid.cell > 1 else cell.glyph,
            "chosen" if number == chosen else cell.style,
        )
        for number, cell in enumerate(cells)
    ]


def _freshness(host: HeatHost) -> str:
    """``live``, or the age of its readings in its largest unit; nothing where there are none."""
    if host.link is Link.LIVE:
        return str(host.link)
    return "" if host.age_seconds is None else " ".join(duration(host.age_seconds).split()[:2])
