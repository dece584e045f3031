"""The wallboard: large figures, the worst first, and no cursor. This process has no way to change anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from console.keys import Where, bindings
from console.session import Session
from console.session_app import SessionApp
from console.wall_turning import Turning
from fleet.units import DayHours
from widgets.wall_board import WallBoard, frame, text_of
from widgets.wall_view import WallAlert, WallView

NIGHT = DayHours(22 * 60, 6 * 60)
SHIFT_SECONDS = 120.0
"""Between two moves of the picture by one cell."""
_LOOK_SECONDS = 1.0


class WallScreen(Screen[None]):
    """One picture; no cursor, no hints, no key but quit."""

    def __init__(self, view: WallView) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        """The picture."""
        yield WallBoard(self._view)


class WallApp(SessionApp):
    """The wallboard of one fleet."""

    TITLE = "gpudeck wall"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.WALL)]

    night: DayHours | None = NIGHT
    """When it is dimmed; None = never."""
    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def get_default_screen(self) -> Screen[None]:
        """The fleet file's names."""
        self._turning = Turning()
        state = self.session.blank_state()
        return WallScreen(WallView(state, state.hosts[0].name))

    def _begin(self) -> None:
        super()._begin()
        self.set_interval(_LOOK_SECONDS, self._mark_news)  # ages, turns and moves are news too

    def show_state(self) -> None:
        """Show the session's newest state."""
        if not isinstance(self.screen, WallScreen):
            return
        state, now, clock = self.session.state(), self.monotonic(), self.time_of_day()
        alerts = tuple(WallAlert(alert.severity, alert.text) for alert in self.figures_beyond())
        host = self._turning.host(state, now, alerts)
        self.screen.query_one(WallBoard).show(
            WallView(state, host, clock, alerts, self.is_ascii, "  ".join(self.troubles)),
            shift=int(now / SHIFT_SECONDS),
            night=self.night is not None and self.night.holds(clock),
        )


def one_frame(session: Session, clock: str, cells: int, lines: int) -> str:
    """What a wallboard of that size shows of the session now, as text."""
    state = session.state()
    view = WallView(state, Turning().host(state, 0.0), clock)
    return text_of(frame(view, cells, lines))
