"""The filter of a screen: typed in its prompt, it leaves models and GPUs out and says how many it leaves in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.screens.base import ConsoleScreen
from fleet.state import FleetState
from widgets.prompt import Prompt

if TYPE_CHECKING:
    from console.filter import Filter, Predicate

FILTER = "/"


class FilteringScreen(ConsoleScreen):
    """The part of the deck, and of the overview, that filters."""

    _filter: Filter | None = None

    def show_filtered(self) -> None:
        """Show again what there is: the filter is another."""
        raise NotImplementedError

    @property
    def wanted(self) -> Predicate | None:
        """What the filter leaves in; None where there is no filter."""
        return self._filter.wants if self._filter else None

    def filter_words(self, state: FleetState) -> tuple[str, str]:
        """The filter and what of the fleet it leaves in, and the style to say it in; empty where there is no filter."""
        if self._filter is None:
            return "", "text"
        found = self._filter.matches(state)
        return f"filter: {self._filter.text} {found}", "accent" if found.is_any else "warning"

    def drop_filter(self) -> None:
        """Leave everything in again."""
        self._filter = None
        self.show_filtered()

    def action_filter(self) -> None:
        """Type a filter; what it leaves out is seen as it is typed."""
        self.console.tell("")
        self.query_one(Prompt).ask(FILTER, self._filter.text if self._filter else "")

    def on_prompt_typed(self, event: Prompt.Typed) -> None:
        """Leave out what it leaves out, or say where it is wrong."""
        from console.filter import Filter, FilterError  # when first filtered, not before the first paint

        if event.sign != FILTER:
            return
        try:
            self._filter = Filter.read(event.text)
        except FilterError as error:
            self.say(error.message, "warning")
        else:
            self.show_filtered()

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Given up: it is taken away."""
        if event.sign == FILTER:
            self.drop_filter()
