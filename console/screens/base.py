"""What the console's screens and dialogs share: the app with its session, and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual import events
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from console.keys import Where, keys
from console.settings import READ_ONLY
from console.textual_private import rebind
from widgets.hints import Hints
from widgets.prompt import Prompt

if TYPE_CHECKING:
    from console.app import GpudeckApp
    from console.session import Session
    from fleet.state import FleetState


class OfConsole(Widget):
    """A screen of the console: knows its application and the operator's session."""

    @property
    def console(self) -> GpudeckApp:
        """The application."""
        return cast("GpudeckApp", self.app)

    @property
    def session(self) -> Session:
        """The operator's session."""
        return self.console.session

    def on_mount(self) -> None:
        """Take the keys that the settings say. Textual calls this beside a screen's own `on_mount`."""
        rebind(self, self.console.settings.keys)

    @property
    def is_up(self) -> bool:
        """Whether all it is made of is there: not before it is mounted, nor once it is left or the console ends."""
        is_there = self.is_attached and self.is_mounted and self.app.is_running
        return is_there and self in cast("Sequence[Widget]", self.app.screen_stack)

    def show_state(self) -> None:
        """New readings, or a new draft: show them. Screens that show neither leave it."""

    def key(self, id: str) -> str:
        """The key that does what has this id, as people call it and as the settings say."""
        return self.console.key(id)

    def hint(self, where: Where, without: frozenset[str] = frozenset()) -> None:
        """Show the keys of that place in the last line, but for those whose actions mean nothing just now."""
        here = keys(where, changed=self.console.settings.keys, read_only=self.session.is_read_only)
        found = [(key.shown, key.label) for key in here if key.hint and key.action not in without]
        self.query_one(Hints).show_keys(found)

    @property
    def mode(self) -> str:
        """The mode in a word where it is not an operator's."""
        return READ_ONLY if self.session.is_read_only else ""

    def say(self, message: str, style: str = "text") -> None:
        """Show a message in the last line."""
        self.query_one(Hints).say(message, style)


class ConsoleScreen(OfConsole, Screen[None]):
    """A whole screen of the console. While another covers it, it is shown nothing, and all that is new after that."""

    _covered = False

    def on_screen_suspend(self) -> None:
        """Another screen is seen instead."""
        self._covered = True

    def on_screen_resume(self) -> None:
        """It is seen again."""
        if self._covered:
            self._covered = False
            self.show_state()

    def take(self, event: events.Key) -> None:
        """Take a key that was sent elsewhere before the one in front of it had asked for something here."""
        for prompt in self.query(Prompt):
            prompt.take(event)


class DeckPart(ConsoleScreen):
    """One of the things the deck screen does, in a module of its own."""

    _state: FleetState
    """What the deck shows."""

    def show_deck(self) -> None:
        """Show what there is again."""
        raise NotImplementedError

    def show_keys(self) -> None:
        """Hint at the keys that now mean something."""
        raise NotImplementedError


class ConsoleDialog(OfConsole, ModalScreen[None]):
    """A dialog over the deck."""

    DEFAULT_CSS = """
    ConsoleDialog { align: center middle; }
    ConsoleDialog > Vertical {
        width: 90%; max-width: 130; height: auto; max-height: 90%;
        border: round $accent; background: $surface; padding: 0 1;
    }
    """

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()
