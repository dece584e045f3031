"""The whole fleet as a heat map: find what is worst, filter, zoom, and go to a host's deck."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.heat_views import heat_hosts, worst_gpus, worst_hosts
from console.host_table import host_table, table_lines
from console.keys import Where, bindings
from console.screens.filtering import FilteringScreen
from fleet.model import GpuId
from fleet.readings import Link
from fleet.state import FleetState, GpuState
from fleet.units import duration, gib
from widgets.deck import Way
from widgets.header import Header
from widgets.heat import LEFT_OUT, QUANTITIES, UNREAD, WRONG
from widgets.heat_map import HeatHost, HeatMap
from widgets.hints import Hints
from widgets.links import LINK_SIGNS
from widgets.paragraphs import Paragraphs
from widgets.prompt import Prompt
from widgets.rows import Row, Span, ends
from widgets.sparkline import LEVELS

_LINES_AROUND = 3
"""The header, the title and the keys."""


class OverviewScreen(FilteringScreen):
    """Every GPU of the fleet in one cell, by one of its figures."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.OVERVIEW)]
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    OverviewScreen #title, OverviewScreen #here { height: 1; }
    OverviewScreen.-table #here { height: 1fr; }
    """

    def __init__(self, state: FleetState, gpu: GpuId | None) -> None:
        """Of that state at first, with the cursor on that GPU."""
        super().__init__()
        self._state = state
        self._first = gpu
        self._quantity = QUANTITIES[0]
        self._order: list[str] = []
        self._worst: list[GpuId] = []

    def compose(self) -> ComposeResult:
        """Header, what is shown, cells, the GPU under the cursor, prompt, last line."""
        yield Header(self.mode)
        yield Paragraphs(self._title, id="title")
        yield HeatMap(self._hosts())
        yield Paragraphs(self._here, id="here")
        yield Prompt()
        yield Hints()

    def on_mount(self) -> None:
        """Begin where the deck's cursor is."""
        self.hint(Where.OVERVIEW)
        self._map.go_to(self._first)
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed no key means anything else."""
        return not (self.is_up and self.query_one(Prompt).is_open)

    # showing

    def show_state(self) -> None:
        """Show the newest state."""
        self._state = self.console.state
        self._show()

    def _show(self, message: str = "", style: str = "text") -> None:
        self.query_one(Header).show(self._state, self.console.time_of_day(), self.console.past_words)
        self.query_one("#title", Paragraphs).show(self._title)
        self._make_room()
        self._map.show(self._hosts())
        self.query_one("#here", Paragraphs).show(self._here)
        self.say(*((message, style) if message else self.filter_words(self._state)))

    def on_resize(self) -> None:
        """Another size has room for other things."""
        self._show()

    def show_filtered(self) -> None:
        """Show what the filter leaves in; the worst is another."""
        self._worst = []
        self._show()

    @property
    def _map(self) -> HeatMap:
        return self.query_one(HeatMap)

    def _hosts(self) -> list[HeatHost]:
        return heat_hosts(self._state, self._quantity, self.wanted, self._order)

    def _title(self, cells: int) -> list[Row]:
        """What is shown, and what the signs mean; the signs give way."""
        order = ", worst hosts first" if self._order else ""
        left = (Span(f" {self._quantity.name}", "accent"), Span(f" {self._quantity.unit}{order}  ", "dim"))
        signs = (f"{LEVELS} 0 to 100 %", f"{WRONG} wrong", f"{LINK_SIGNS[Link.STALE]} stale",
                 f"{LINK_SIGNS[Link.LOST]} lost", f"{UNREAD} not read", f"{LEFT_OUT} left out")  # fmt: skip
        room = cells - sum(len(span.text) for span in left)
        kept: list[str] = []
        for sign in signs:
            if len("  ".join((*kept, sign))) < room:
                kept.append(sign)
        return [ends(left, (Span("  ".join(kept) + " ", "dim"),), cells)]

    def _here(self, cells: int) -> list[Row]:
        """The GPUs of the host under the cursor, where the map leaves them room; else the GPU in one line."""
        gpu = self._map.gpu if self.is_attached and self.query(HeatMap) else None
        if gpu is None:
            return [()]
        if self._has_table:
            return host_table(self._state.host(gpu.host), gpu, self._quantity, self.wanted, cells)
        return [gpu_row(self._state, self._state.gpu(gpu), cells)]

    def _make_room(self) -> None:
        """Where there is a table, give the map the lines it takes and the table the rest; else a line to the GPU."""
        self.set_class(self._has_table, "-table")
        self._map.styles.height = self._map.most_lines if self._has_table else "1fr"

    @property
    def _has_table(self) -> bool:
        """Whether the GPUs of the largest host have room below the whole map."""
        most = max(map(table_lines, self._state.hosts))
        return self._map.most_lines + most <= self.size.height - _LINES_AROUND

    def on_heat_map_cursor_moved(self) -> None:
        """Say which GPU the cursor is on."""
        self.query_one("#here", Paragraphs).show(self._here)

    # keys

    def action_go(self, way: Way) -> None:
        """Move the cursor."""
        self._map.go(way)

    def action_page(self, step: int) -> None:
        """Move the cursor by a screen."""
        self._map.page(step)

    def action_zoom(self, step: int) -> None:
        """Larger or smaller; beyond the largest is the host's deck."""
        if self._map.zoom(step):
            self._show()
        elif step > 0:
            self.action_open()

    def action_value(self, step: int) -> None:
        """Show the next figure."""
        at = (QUANTITIES.index(self._quantity) + step) % len(QUANTITIES)
        self._quantity, self._worst = QUANTITIES[at], []
        if self._order:
            self._order = worst_hosts(self._state, self._quantity)
        self._show()

    def action_worst(self) -> None:
        """Go to the worst GPU; then to the next worst."""
        if not self._worst:
            self._worst = worst_gpus(self._state, self._quantity, self.wanted)
        if not self._worst:
            self._show("No GPU was read that the filter leaves.", "warning")
            return
        gpu, *self._worst = self._worst
        self._map.go_to(gpu)

    def action_order(self) -> None:
        """Put the hosts with the worst GPUs first, as they are now; or all back in the fleet file's order."""
        self._order = [] if self._order else worst_hosts(self._state, self._quantity)
        self._show()

    def action_open(self) -> None:
        """Go to the GPU on the deck of its host."""
        gpu = self._map.gpu
        self.dismiss()
        if gpu is not None:
            self.console.show_on_deck(gpu)

    def on_heat_map_chosen(self) -> None:
        """A second click is like enter."""
        self.action_open()

    def action_close(self) -> None:
        """Back to the deck as it was; first, where there is a filter, without it."""
        if self._filter:
            self.drop_filter()
        else:
            self.dismiss()

    def action_help(self) -> None:
        """Show the keys."""
        self.console.open_help(Where.OVERVIEW)

    # the prompt

    def on_prompt_submitted(self) -> None:
        """The keys mean the map again."""
        self.set_focus(None)
        self._show()

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """They do so again, too."""
        self.on_prompt_submitted()


def gpu_row(state: FleetState, gpu: GpuState, cells: int) -> Row:
    """One GPU in one line: its name, how fresh it is, its figures, its models."""
    host, reading = state.host(gpu.gpu.host), gpu.reading
    words = [gpu.accelerator]
    if not host.link.is_fresh:
        words.append(f"{host.link} {duration(host.age_seconds)}" if host.age_seconds is not None else str(host.link))
    live = "–" if gpu.used_bytes is None else gib(gpu.used_bytes)
    words.append(f"est {gib(gpu.outlook.peak_bytes)} live {live} of {gib(gpu.total_bytes)} GiB")
    if reading and reading.temperature_c is not None:
        words.append(f"{reading.temperature_c:.0f}°C")
    if reading and reading.power_w is not None:
        words.append(f"{reading.power_w:.0f} W")
    words += [gpu.cordon.words] if gpu.cordon else []
    words.append(", ".join(model.name for model in gpu.models) or "free")
    return ends((Span(f" {gpu.gpu}  ", "strong"), Span("  ".join(words))), (), cells)
