"""The console: screens over one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events
from textual.screen import ModalScreen, Screen

from console.keys import Where, key_of
from console.past.rewind import Rewind, not_there
from console.screens.base import ConsoleScreen, OfConsole
from console.screens.deck import DeckScreen
from console.session_app import SessionApp
from fleet.errors import GpudeckError
from fleet.model import GpuId

if TYPE_CHECKING:
    from console.first_hints import FirstHints
    from console.fleet_file import News
    from console.session import Session
    from fleet.inventory.changes import Change
    from fleet.state import FleetState


class GpudeckApp(SessionApp):
    """The interactive console: an operator's, or a viewer's where the session has nothing to operate with."""

    TITLE = "gpudeck"
    message: tuple[str, str] | None = None
    """What the operator is told in the last line of the deck, and its style, until the cursor moves."""

    def __init__(self, session: Session, *, hints: FirstHints | None = None, **settings: Any) -> None:
        """The console of a session, with the settings of `SessionApp`, and with hints for who needs them."""
        super().__init__(session, **settings)
        self.hints = hints
        self.rewind = Rewind(session)

    @property
    def state(self) -> FleetState:
        """What the screens show: the newest state, or that of the past the operator went to."""
        return self.rewind.past.state if self.rewind.past else self.session.state()

    @property
    def past_words(self) -> str:
        """Which time of the past that is; empty at the present."""
        past = self.rewind.past
        if past is None:
            return ""
        from console.past.past import past_words

        return past_words(past.at, self.rewind.clock())

    @property
    def not_there(self) -> str:
        """Why what changes something is refused in the past."""
        return not_there(self.key("past.present"))

    def on_key(self, event: events.Key) -> None:
        """Keys may arrive together, as on a slow line: what is behind one that asks for something answers it."""
        if isinstance(self.screen, ConsoleScreen):
            self.screen.take(event)

    def key(self, id: str) -> str:
        """The key that does what has this id, as people call it and as the settings say."""
        return key_of(id, self.settings.keys)

    def get_default_screen(self) -> Screen[None]:
        """The deck with the fleet file's names."""
        return DeckScreen(self.session.blank_state())

    def _begin(self) -> None:
        super()._begin()
        if not self.session.is_read_only:
            self.session.operating.begin(self)
        if self._live and self.session.inventory.autopilot is not None:
            self.run_worker(self._keep_proposing(), group="autopilot")

    async def _keep_proposing(self) -> None:
        from console.autopilot.proposing import keep_proposing  # after the first paint

        await keep_proposing(self.session, self._mark_news)

    def show_state(self) -> None:
        """Show the session's newest state on the screens that are seen: the last one, and those below its dialogs."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, OfConsole):
                if screen.is_up:
                    screen.show_state()
                else:
                    self._mark_news()
            if not isinstance(screen, ModalScreen):
                break

    def tell(self, message: str, style: str = "text") -> None:
        """Tell the operator something."""
        self.message = (message, style) if message else None
        if isinstance(self.screen, DeckScreen):
            self.screen.say(message, style)

    @property
    def is_at_rest(self) -> bool:
        """Whether the deck is seen, at the present, with nothing carried or typed."""
        return isinstance(self.screen, DeckScreen) and self.screen.is_at_rest

    def hear(self, news: News) -> None:
        """Tell of the fleet file, and show it where it is taken, with nothing marked: marked models may be gone."""
        super().hear(news)
        if news.is_taken and isinstance(self.screen, DeckScreen):
            self.screen.drop_marks()

    def stage(self, *changes: Change) -> bool:
        """Stage changes; what makes no sense is said and not staged, and in the past nothing is."""
        if self.rewind.past:
            self.tell(self.not_there, "error")
            return False
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

    def open_detail(self, gpu: GpuId, model: str | None = None) -> None:
        """Show a GPU in every detail; ``model`` is the one of its models that is meant where one is."""
        from console.screens.detail import DetailScreen

        self.push_screen(DetailScreen(gpu, model))

    def open_overview(self, gpu: GpuId | None) -> None:
        """Show every GPU of the fleet in a cell, with the cursor on one of them."""
        from console.screens.overview import OverviewScreen

        self.push_screen(OverviewScreen(self.state, gpu))

    def show_on_deck(self, gpu: GpuId) -> None:
        """Put the deck's cursor on that GPU."""
        for screen in self.screen_stack:
            if isinstance(screen, DeckScreen):
                screen.go_to(gpu)

    def open_logs(self, model: str) -> None:
        """Show a model's log."""
        from console.screens.logs import LogsScreen

        self.push_screen(LogsScreen(model))

    def open_compare(self, left: str, right: str) -> None:
        """Show two models side by side."""
        from console.screens.compare import CompareScreen

        self.push_screen(CompareScreen(left, right))

    def open_findings(self, gpu: GpuId | None = None, model: str | None = None) -> None:
        """Go through the findings, from the worst of that GPU or model on."""
        from console.screens.findings import FindingsScreen

        self.push_screen(FindingsScreen(gpu, model))

    def open_difference(self, since: float | None = None, until: float | None = None) -> None:
        """Show what changed between two times, Unix seconds; up to now, and from an hour before, where not said."""
        from console.screens.difference import DifferenceScreen

        self.push_screen(DifferenceScreen(since, until))

    def open_help(self, where: Where = Where.DECK) -> None:
        """Show the keys, those of that place first."""
        from console.screens.help import HelpScreen

        self.push_screen(HelpScreen(where))

    def open_rebalance(self, without: frozenset[GpuId] = frozenset()) -> None:
        """Look for a better placement, or for one without these GPUs."""
        from console.screens.rebalance import RebalanceScreen

        self.push_screen(RebalanceScreen(without))

    def open_plan(self) -> None:
        """Turn the draft into steps."""
        from console.screens.plan import PlanScreen

        self.push_screen(PlanScreen())

    def close_rollout(self) -> None:
        """Back to the deck, past the plan that was carried out."""
        while not isinstance(self.screen, DeckScreen) and len(self.screen_stack) > 1:
            self.pop_screen()
        self.show_state()
