"""The wallboard: the deck without a cursor. This process has no way to change anything."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from console.deck_views import Doing, pane_views
from console.keys import Where, bindings
from console.session_app import SessionApp
from fleet.state import FleetState
from widgets.deck import Deck
from widgets.findings_list import FindingsList
from widgets.header import Header

READ_ONLY = "READ ONLY"


class WallScreen(Screen[None]):
    """Header, panes and findings; no cursor, no hints, no key but quit."""

    def __init__(self, state: FleetState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        """Header, deck, findings."""
        yield Header(mode=READ_ONLY)
        yield Deck(pane_views(self._state, Doing()), cursor=False)
        yield FindingsList()

    def show(self, state: FleetState, clock: str) -> None:
        """Show the fleet at that time of day."""
        self._state = state
        self.query_one(Deck).show(pane_views(self._state, Doing()), ())
        self.query_one(Header).show(state, clock)
        self.query_one(FindingsList).show(state.findings)


class WallApp(SessionApp):
    """The wallboard of one fleet."""

    TITLE = "gpudeck wall"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.WALL)]

    def first_screen(self) -> Screen[None]:
        """The deck with the fleet file's names."""
        return WallScreen(self.session.blank_state())

    def show_state(self) -> None:
        """Show the session's newest state."""
        if isinstance(self.screen, WallScreen):
            self.screen.show(self.session.state(), self.time_of_day())
