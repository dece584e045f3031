"""The wallboard: the deck without a cursor. This process has no way to change anything."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from console.keys import Where, bindings
from console.session import Session
from console.textual_private import output_backlog
from console.themes import DARK, default_theme
from fleet.readings import Link
from fleet.state import FleetState
from widgets.deck import Deck
from widgets.findings_list import FindingsList
from widgets.gpu_pane import PaneView
from widgets.header import Header

TICK_SECONDS = 1.0
READ_ONLY = "READ ONLY"


class WallScreen(Screen[None]):
    """Header, panes and findings; no cursor, no hints, no key but quit."""

    def __init__(self, state: FleetState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        """Header, deck, findings."""
        yield Header(mode=READ_ONLY)
        yield Deck(self._views(), cursor=False)
        yield FindingsList()

    def show(self, state: FleetState, clock: str) -> None:
        """Show the fleet at that time of day."""
        self._state = state
        self.query_one(Deck).show(self._views(), ())
        self.query_one(Header).show(state, clock)
        self.query_one(FindingsList).show(state.findings)

    def _views(self) -> list[PaneView]:
        return [
            PaneView(gpu, host.link, None if host.link in (Link.LIVE, Link.CONNECTING) else host.age_seconds)
            for host in self._state.hosts
            for gpu in host.gpus
        ]


class WallApp(App[None]):
    """The wallboard of one fleet."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "gpudeck wall"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.WALL)]

    def __init__(
        self,
        session: Session,
        *,
        ready: Awaitable[object] | None = None,
        time_of_day: Callable[[], str] | None = None,
        live: bool = True,
    ) -> None:
        """A wallboard over a session; it reads the hosts once ``ready`` is done, never where ``live`` is False."""
        super().__init__(watch_css=False)
        self.session = session
        self._ready = ready
        self._live = live
        self._time_of_day = time_of_day or (lambda: datetime.now().astimezone().strftime("%H:%M"))

    def on_mount(self) -> None:
        """Paint the empty deck, then read."""
        self.register_theme(DARK)
        self.theme = default_theme(os.environ)
        self.push_screen(WallScreen(self.session.blank_state()))
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        self.set_interval(TICK_SECONDS, self.show_state)
        if self._live:
            self.run_worker(self.session.watch(self._ready), group="watch")
        self.show_state()

    def show_state(self) -> None:
        """Show the newest state, unless the terminal has not taken the last frame yet."""
        if output_backlog(self) == 0 and isinstance(self.screen, WallScreen):
            self.screen.show(self.session.state(), self._time_of_day())
