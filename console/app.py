"""The console: screens over one session."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType

from console.screens.base import ConsoleDialog, ConsoleScreen
from console.screens.deck import DeckScreen
from console.session import Session
from console.textual_private import output_backlog
from console.themes import DARK, default_theme
from fleet.errors import GpudeckError
from fleet.inventory.changes import Change

TICK_SECONDS = 0.5


class GpudeckApp(App[None]):
    """The interactive console of one operator."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "gpudeck"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        session: Session,
        *,
        ready: Awaitable[object] | None = None,
        time_of_day: Callable[[], str] | None = None,
        live: bool = True,
    ) -> None:
        """An app over a session; it reads the hosts once ``ready`` is done, and never where ``live`` is False."""
        super().__init__(watch_css=False)
        self.session = session
        self.message: tuple[str, str] | None = None
        self._ready = ready
        self._live = live
        self._time_of_day = time_of_day or (lambda: datetime.now().astimezone().strftime("%H:%M"))
        self._shown: object = None
        self._dirty = True

    def on_mount(self) -> None:
        """Paint the empty deck first; everything else comes after it."""
        self.register_theme(DARK)
        self.theme = default_theme(os.environ)
        if "SSH_CONNECTION" in os.environ:
            self.animation_level = "none"
        self.push_screen(DeckScreen(self.session.blank_state()))
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        self.session.board.subscribe(lambda _: self._mark_dirty())
        self.set_interval(TICK_SECONDS, self._tick)
        if self._live:
            self.run_worker(self.session.watch(self._ready), group="watch", exit_on_error=True)
        self._tick()

    def _mark_dirty(self) -> None:
        self._dirty = True

    def _tick(self) -> None:
        """Show what is new, unless the terminal has not taken the last frame yet."""
        if output_backlog(self) > 0:
            return
        minute = self.time_of_day()
        if self._dirty or self.session.is_late or minute != self._shown:
            self._dirty, self._shown = False, minute
            self.show_state()

    def show_state(self) -> None:
        """Show the session's newest state on the screens that show it."""
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen | ConsoleDialog) and screen.is_attached:
                screen.show_state()

    def time_of_day(self) -> str:
        """Hours and minutes; no ticking seconds."""
        return self._time_of_day()

    def tell(self, message: str, style: str = "text") -> None:
        """Tell the operator something, in the last line of the deck, until the cursor moves."""
        self.message = (message, style) if message else None
        if isinstance(self.screen, DeckScreen):
            self.screen.say(message, style)

    def stage(self, *changes: Change) -> bool:
        """Stage changes; what makes no sense is said and not staged."""
        try:
            self.session.stage(*changes)
        except GpudeckError as error:
            self.tell(str(error), "error")
            return False
        self.tell("")
        self.show_state()
        return True

    # screens, imported when first opened

    def open_edit(self, model: str) -> None:
        """Edit a model's arguments."""
        from console.screens.edit import EditScreen

        self.push_screen(EditScreen(model))

    def open_logs(self, model: str) -> None:
        """Show a model's log."""
        from console.screens.logs import LogsScreen

        self.push_screen(LogsScreen(model))

    def open_findings(self) -> None:
        """Go through the findings."""
        from console.screens.findings import FindingsScreen

        self.push_screen(FindingsScreen())

    def open_help(self) -> None:
        """Show the keys."""
        from console.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def open_plan(self) -> None:
        """Turn the draft into steps."""
        from console.screens.plan import PlanScreen

        self.push_screen(PlanScreen())


