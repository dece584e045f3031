"""The deck screen: the fleet, the findings, and the keys that stage changes."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType

from console.deck_views import Doing, pane_views
from console.keys import Where, bindings
from console.screens.commanding import CommandingScreen
from console.screens.filtering import FilteringScreen
from console.screens.going import GoingScreen
from console.screens.rewinding import TIME, RewindingScreen
from fleet.findings import Finding
from fleet.state import FleetState
from fleet.units import counted
from widgets.deck import Deck
from widgets.findings_list import FindingsList
from widgets.header import Header
from widgets.hints import Hints
from widgets.pane_view import PaneView
from widgets.prompt import Prompt
from widgets.shelf import ShelfItem

_ROOMY = 120
"""Cells from which on a hint stands beside the keys; below that, in a row that the findings leave empty."""


class DeckScreen(CommandingScreen, RewindingScreen, GoingScreen, FilteringScreen):
    """Every GPU as a pane under one cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DECK, Where.CARRYING, Where.PAST)]
    _ONLY_CARRYING = frozenset({"next_fit", "best_fit", "drop", "swap", "put_back"})
    _ALSO_CARRYING = frozenset({"go", "gpu", "host", "help"})

    def __init__(self, state: FleetState) -> None:
        super().__init__()
        self._state = state
        self._show_after = False
        self._leaving = False

    def compose(self) -> ComposeResult:
        """Header, deck, findings, prompt, last line."""
        yield Header(self.mode)
        yield Deck(self._views(), self._shelf())
        yield FindingsList(self.key("deck.findings"))
        yield Prompt()
        yield Hints()

    def on_mount(self) -> None:
        """Show what there is; Textual gives the keys to the first that takes them, which is the deck."""
        self.show_keys()
        self.show_deck()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is carried only the keys of carrying mean anything; while typing, none."""
        if self._labels or (self.is_up and self.query_one(Prompt).is_open):
            return False
        if action == "unmark":
            return bool(self._marked or self.console.hints) and self._carry is None and self.past is None
        if action in self._ONLY_CARRYING:
            return self._carry is not None
        if self.past and action in self.REFUSED_ACTIONS:
            return False
        if action == "present":
            return self.past is not None
        return self._carry is None or action in self._ALSO_CARRYING

    @property
    def is_at_rest(self) -> bool:
        """Whether the deck shows the present, and nothing is carried, jumped to or typed."""
        return self.is_up and not (self._carry or self._labels or self.past or self.query_one(Prompt).is_open)

    # showing

    def show_state(self) -> None:
        """Show the session's newest state."""
        self._state = self.console.state
        self.show_deck()

    def show_deck(self) -> None:
        """Show what there is again."""
        self.grey()
        self.query_one(Deck).show(self._views(), self._shelf())
        self.query_one(Header).show(self._state, self.console.time_of_day(), self.console.past_words)
        tense, hint = "THEN" if self.past else "", self._hint_below_findings()
        self.query_one(FindingsList).show(self._findings(), tense=tense, below=hint)
        self.say(*self._last_words())

    def show_filtered(self) -> None:
        """Show what the filter leaves in."""
        self.show_deck()

    def show_keys(self) -> None:
        """Hint at the keys that now mean something."""
        self.hint(self._where, frozenset({"drop"}) if self._carry and self._carry.is_trial else frozenset())

    @property
    def _where(self) -> Where:
        return Where.CARRYING if self._carry else Where.PAST if self.past else Where.DECK

    def _views(self) -> list[PaneView]:
        drawn = self.query_one(Deck).drawn if self._carry else ()
        doing = Doing(
            after=self.after_under_cursor() or (None if self.past else self.session.after()),
            show_after=self._show_after,
            verdicts={gpu: self._carry.verdicts[gpu] for gpu in drawn} if self._carry else {},
            wanted=self.wanted,
            labels=self._labels,
            marked=frozenset(self._marked),
        )
        return pane_views(self._state, doing)

    def _shelf(self) -> list[ShelfItem]:
        staged = set() if self.past else {change.model for change in self.session.changes}
        inventory = self.past.inventory if self.past else self.session.inventory
        disabled = [model for model in inventory.models if not model.enabled]
        return [
            ShelfItem(model.name, staged=model.name in staged, marked=model.name in self._marked) for model in disabled
        ]

    def _findings(self) -> tuple[Finding, ...]:
        after = self.after_under_cursor()
        return self.session.findings_with(self._state, after) if after else self._state.findings

    def _last_words(self) -> tuple[str, str]:
        """What the last line says at the left, and its style: the most pressing thing there is."""
        if self._carry is not None:
            return self.carrying_words(self._carry)
        if self.console.message:
            return self.console.message
        if self.past:
            filtered, style = self.filter_words(self._state)
            return "   ".join(filter(None, (self.past_news(), filtered))), style
        words, style = self._standing_words()
        reasons = [host.reason for host in self._state.hosts if host.reason]
        hint = "" if reasons or self.size.width < _ROOMY else self._hint()
        if words:
            return "   ".join(filter(None, (*words, hint))), style
        if not self.query_one(Deck).shows_all:
            return self._which_host(), "text"
        return "  ".join(reasons) or hint, "text"

    def _standing_words(self) -> tuple[list[str], str]:
        """What the operator left standing: marks, a draft, a filter; and the style to say it in."""
        number = len(self.session.changes)
        filtered, style = self.filter_words(self._state)
        words = [f"marked: {', '.join(self._marked)}"] if self._marked else []
        words += [f"draft: {counted(number, 'change')}"] if number else []
        words += [filtered] if filtered else []
        return words, style if filtered else "accent"

    def _hint(self) -> str:
        """What to find out next, and how to hear no more of it; empty where nothing is left to find out."""
        hints = self.console.hints
        words = hints.words(self.console.settings.keys, drafted=bool(self.session.changes)) if hints else ""
        whole = f"{words} ({self.key('deck.unmark')}: no hints)"
        return (whole if len(whole) < self.size.width else words) if words else ""

    def _hint_below_findings(self) -> str:
        """The hint, where it has no room beside the keys and is about what can be done now."""
        return "" if self.size.width >= _ROOMY or self._carry or self.past else self._hint()

    def _which_host(self) -> str:
        """Which of many hosts the deck shows, and why it is not read where it is not."""
        names = [host.name for host in self._state.hosts]
        host = self._state.host(self.query_one(Deck).pane.host)
        return f"{host.name}, host {names.index(host.name) + 1} of {len(names)}  {host.reason}".rstrip()

    def on_deck_cursor_moved(self) -> None:
        """The ghost and its findings follow the cursor."""
        if self._carry is not None:
            self.show_deck()
        else:
            self.say(*self._last_words())

    # keys

    def action_now_after(self) -> None:
        """Toggle between the placement now and after the draft."""
        self._show_after = not self._show_after
        self.console.message = None if self.session.changes else ("The draft is empty: now and after are one.", "text")
        self.show_deck()

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Back to the deck; a filter is kept, and a time gone to."""
        event.stop()
        self.query_one(Deck).focus()
        self.show_deck()
        if event.sign == TIME:
            self.go_to_time(event.text)

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Back to the deck."""
        self.query_one(Deck).focus()
        self.show_deck()

    def on_key(self, event: events.Key) -> None:
        """While jumping every key is a letter; in the past many mean nothing."""
        if self._labels:
            self.jump(event)
        else:
            self.refuse(event)
            self._learn(event.key)

    def _learn(self, key: str) -> None:
        if self.console.hints and not (self._carry or self.past or self.query_one(Prompt).is_open):
            self.console.hints.pressed(key, self.console.settings.keys)

    # other screens

    def action_edit(self) -> None:
        """Edit the arguments of the model under the cursor."""
        model = self.chosen_model()
        if model is not None:
            self.console.open_edit(model.name)

    def action_zoom(self) -> None:
        """Show the GPU under the cursor in every detail."""
        gpu = self.query_one(Deck).gpu
        if gpu is not None:
            self.console.open_detail(gpu, self.query_one(Deck).model)

    def action_overview(self) -> None:
        """Show the whole fleet at once."""
        self.console.open_overview(self.query_one(Deck).pane)

    def action_logs(self) -> None:
        """Show the last log lines of the model under the cursor."""
        name = self.named_model()
        if name is not None:
            self.console.open_logs(name)

    def action_findings(self) -> None:
        """Go through the findings."""
        if self._state.findings:
            deck = self.query_one(Deck)
            self.console.open_findings(deck.gpu, deck.model)
        else:
            self.console.tell("Nothing is wrong: there are no findings.", "good")

    def action_evacuate(self) -> None:
        """Look for other places for everything on the GPU under the cursor."""
        gpu = self.query_one(Deck).gpu
        if gpu is not None:
            self.console.open_rebalance(frozenset({gpu}))

    def action_rebalance(self) -> None:
        """Look for a placement in which everything fits, over the draft."""
        self.console.open_rebalance()

    def action_plan(self) -> None:
        """Turn the draft into steps."""
        if self.session.changes:
            self.console.open_plan()
        else:
            move, edit, restart = map(self.key, ("deck.carry", "deck.edit", "deck.restart"))
            words = f"The draft is empty: move ({move}), edit ({edit}) or restart ({restart}) a model first."
            self.console.tell(words, "warning")

    def action_help(self) -> None:
        """Show the keys."""
        self.console.open_help(self._where)

    def action_quit(self) -> None:
        """Leave; a draft wants the key twice."""
        if self.session.changes and not self._leaving:
            self._leaving = True
            lost = "is not kept where gpudeck is read-only" if self.session.is_read_only else "is not applied"
            self.console.tell(f"The draft {lost}. Press {self.key('deck.quit')} again to leave.", "warning")
            return
        self.app.exit()
