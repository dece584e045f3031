"""Rewinding the deck: steps, events and times of the past, on which nothing can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events

from console.keys import Where, keys
from console.past.rewind import Move, Step, ToEvent, ToTime
from console.screens.base import DeckPart
from fleet.errors import GpudeckError
from widgets.prompt import Prompt
from widgets.rows import Rows

if TYPE_CHECKING:
    from console.past.past import Past

TIME = "@"
_OF_NOW = frozenset({"logs", "now_after"})
_FOR_CHANGES = frozenset({"mark", "unmark"})


class RewindingScreen(DeckPart):
    """The part of the deck screen that shows the past."""

    REFUSED_ACTIONS: ClassVar[frozenset[str]] = (
        _OF_NOW | _FOR_CHANGES | {key.action for key in keys(Where.DECK) if key.changes}
    )
    """What cannot be done while the deck shows the past."""

    @property
    def past(self) -> Past | None:
        """What of the past is shown; None at the present."""
        return self.console.rewind.past if self.is_attached else None

    def grey(self) -> None:
        """In grey while it shows the past."""
        for rows in self.query("Deck Rows, FindingsList").results(Rows):
            rows.show_grey(self.past is not None)

    def past_news(self) -> str:
        """What became so at the moment that is shown; what was reckoned of it comes last."""
        from console.history.text import event_words
        from fleet.history.values import EventKind

        told = sorted(self.past.events, key=lambda event: event.kind is EventKind.FINDING) if self.past else []
        news = [event_words(event) for event in told]
        return news[0] + (f", and {len(news) - 1} more" if len(news) > 1 else "") if news else ""

    def refuse(self, event: events.Key) -> None:
        """Say why a key does nothing in the past, if it is one that does something at the present."""
        here = keys(Where.DECK, changed=self.console.settings.keys) if self.past else ()
        refused = (key for key in here if key.action in self.REFUSED_ACTIONS - {"unmark"})
        key = next((key for key in refused if event.key in key.keys.split(",")), None)
        if key is not None:
            event.stop()
            words = (
                self.console.not_there
                if key.action not in _OF_NOW
                else f"This is the past: {key.label} tells of now. {self.key('past.present')} goes back to now."
            )
            self.console.tell(words, "warning")

    def action_rewind(self, direction: int) -> None:
        """A step back or forth."""
        self._go(Step(direction))

    def action_event(self, direction: int) -> None:
        """To the event before or after."""
        self._go(ToEvent(direction))

    def action_time(self) -> None:
        """Type a time to go to, or two to compare."""
        self.query_one(Prompt).ask(TIME)

    def action_difference(self) -> None:
        """What changed in the last hour, or since the moment that is shown."""
        self.console.open_difference(self.past.at if self.past else None)

    def go_to_time(self, text: str) -> None:
        """To the time that was typed; of two, ``13:00..14:00``, to what changed between them."""
        from console.past.times import parse_time

        now = self.console.rewind.clock()
        first, dots, second = text.partition("..")
        try:
            since = parse_time(first, now)
            if dots:
                self.console.open_difference(since, parse_time(second, now) if second.strip() else None)
            else:
                self._go(ToTime(since))
        except GpudeckError as error:
            self.console.tell(str(error), "warning")

    def action_present(self) -> None:
        """Back to now."""
        self.console.rewind.to_present()
        self.console.tell("")
        self.show_keys()
        self.show_state()

    def _go(self, move: Move) -> None:
        self.run_worker(self._move(move), group="rewind")

    async def _move(self, move: Move) -> None:
        try:
            trouble = await self.console.rewind.go(move)
        except GpudeckError as error:
            trouble = str(error)
        self.console.tell(trouble, "warning")
        self.show_keys()
        self.show_state()
