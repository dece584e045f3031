"""The deck screen: the fleet, the findings, and the keys that stage changes."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters, digits
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType

from console.deck_views import Doing, pane_views
from console.filter import FilterError, Predicate, parse
from console.keys import Where, bindings
from console.screens.commanding import CommandingScreen
from console.screens.rewinding import TIME, RewindingScreen
from fleet.findings import Finding
from fleet.inventory.changes import Change, Disable, Enable, Restart
from fleet.model import GpuId, Model
from fleet.state import FleetState
from widgets.deck import Deck, ShelfItem, Way
from widgets.findings_list import FindingsList
from widgets.header import Header
from widgets.hints import Hints
from widgets.pane_view import PaneView
from widgets.prompt import Prompt

FILTER = "/"
_ROOMY = 120
"""Cells from which on a hint takes no keys' place."""


class DeckScreen(CommandingScreen, RewindingScreen):
    """Every GPU as a pane under one cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DECK, Where.CARRYING, Where.PAST)]
    _ONLY_CARRYING = frozenset({"next_fit", "best_fit", "drop", "swap", "put_back"})
    _ALSO_CARRYING = frozenset({"go", "gpu", "host", "help"})

    def __init__(self, state: FleetState) -> None:
        super().__init__()
        self._state = state
        self._show_after = False
        self._leaving = False
        self._filter_text = ""
        self._filter: Predicate | None = None
        self._labels: dict[tuple[GpuId, str], str] = {}
        self._marked: tuple[str, ...] = ()

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
        self.query_one(FindingsList).show(self._findings(), tense="THEN" if self.past else "")
        self.say(*self._last_words())

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
            wanted=self._filter,
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
            return self.past_news(), "text"
        number = len(self.session.changes)
        words = [f"marked: {', '.join(self._marked)}"] if self._marked else []
        words += [f"draft: {number} change{'s' if number > 1 else ''}"] if number else []
        words += [f"filter: {self._filter_text}"] if self._filter else []
        reasons = [host.reason for host in self._state.hosts if host.reason]
        hint = "" if reasons else self._hint(drafted=bool(number))
        if words:
            return "   ".join((*words, *([hint] if hint else ()))), "accent"
        if not self.query_one(Deck).shows_all:
            return self._which_host(), "text"
        return "  ".join(reasons) or hint, "text"

    def _hint(self, *, drafted: bool) -> str:
        """What to find out next, where there is room for it beside the keys."""
        hints = self.console.hints
        if hints is None or self.size.width < _ROOMY:
            return ""
        words = hints.words(self.console.settings.keys, drafted=drafted)
        return f"{words} ({self.key('deck.unmark')}: no hints)" if words else ""

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

    # moving about

    def action_go(self, way: Way) -> None:
        """Move the cursor."""
        self.console.message = None
        self.query_one(Deck).go(way)

    def action_gpu(self, number: int) -> None:
        """Go to the n-th GPU of the host the cursor is on."""
        self.console.message = None
        here = self.query_one(Deck).pane
        gpus = self._state.host(here.host).gpus
        if number < len(gpus):
            self.go_to(gpus[number].gpu)

    def action_host(self, step: int) -> None:
        """Go to the same GPU of the next host, or of the one before."""
        self.console.message = None
        here, hosts = self.query_one(Deck).pane, self._state.hosts
        at = [host.name for host in hosts].index(here.host) + step
        if 0 <= at < len(hosts):
            gpus = hosts[at].gpus
            self.go_to(gpus[min(here.index, len(gpus) - 1)].gpu)

    def go_to(self, gpu: GpuId) -> None:
        """Put the cursor on that GPU."""
        self.query_one(Deck).go_to(gpu)

    def action_trouble(self) -> None:
        """Go to the next model that failed or stopped, and say why in the engine's words, where they were read."""
        from console.trouble import next_down

        deck = self.query_one(Deck)
        target = next_down(self._state, deck.targets(), (deck.gpu, deck.model))
        if target is None:
            self.console.tell("No model has failed or stopped.", "good")
            return
        deck.go_to(*target)
        model = self._state.model(target[1])
        again = " again" if model.comes_up_again else ""
        why = model.why_not_up or f"{self.key('deck.logs')} shows its log."
        self.console.tell(f"{model.name} {model.word}{again}: {why}", "error")

    def action_now_after(self) -> None:
        """Toggle between the placement now and after the draft."""
        self._show_after = not self._show_after
        self.console.message = None if self.session.changes else ("The draft is empty: now and after are one.", "text")
        self.show_deck()

    def action_filter(self) -> None:
        """Type a filter; what it leaves out is dimmed as it is typed."""
        self.query_one(Prompt).ask(FILTER, self._filter_text)

    def on_prompt_typed(self, event: Prompt.Typed) -> None:
        """Dim what the filter leaves out, or say where it is wrong."""
        if event.sign != FILTER:
            return
        try:
            self._filter = parse(event.text) if event.text.strip() else None
        except FilterError as error:
            self.say(error.message, "warning")
            return
        self._filter_text = event.text.strip()
        self.show_deck()

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Back to the deck; a filter is kept, and a time gone to."""
        event.stop()
        self.query_one(Deck).focus()
        self.show_deck()
        if event.sign == TIME:
            self.go_to_time(event.text)

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Back to the deck; a filter is taken away."""
        if event.sign == FILTER:
            self._filter, self._filter_text = None, ""
        self.query_one(Deck).focus()
        self.show_deck()

    def action_jump(self) -> None:
        """Show a letter at every model, and go where the next key says."""
        targets = self.query_one(Deck).targets()
        self._labels = dict(zip(targets, ascii_letters + digits, strict=False))
        self.console.message = ("press the letter to go there", "accent")
        self.show_deck()

    def on_key(self, event: events.Key) -> None:
        """While jumping every key is a letter, or ends it; in the past many mean nothing."""
        if not self._labels:
            self.refuse(event)
            self._learn(event.key)
            return
        event.stop()
        event.prevent_default()
        targets = {letter: target for target, letter in self._labels.items()}
        self._labels = {}
        self.console.message = None
        if event.character in targets:
            gpu, name = targets[event.character]
            self.query_one(Deck).go_to(gpu, name or None)
        self.show_deck()

    def _learn(self, key: str) -> None:
        if self.console.hints and not (self._carry or self.past or self.query_one(Prompt).is_open):
            self.console.hints.pressed(key, self.console.settings.keys)

    # staging

    @property
    def marked(self) -> tuple[str, ...]:
        """The marked models, in the order they were."""
        return self._marked

    def chosen_model(self) -> Model | None:
        """The model under the cursor as the draft has it, if it may be changed; else a word to the operator."""
        name = self._named()
        return self.changeable(name) if name else None

    def chosen_models(self) -> tuple[Model, ...]:
        """The marked models, or the one under the cursor; none, and a word to the operator, where one must stay."""
        names = self._marked or tuple(filter(None, [self._named()]))
        models = [self.changeable(name) for name in names]
        return tuple(model for model in models if model) if all(models) else ()

    def changeable(self, name: str) -> Model | None:
        """That model as the draft has it, unless its host is not read, or is the past: then a word to the operator."""
        if self.past:
            self.console.tell(self.console.not_there, "warning")
            return None
        model = self.session.drafted().model(name)
        if model.place is None:
            return model
        host = self._state.host(model.place.host)
        if host.link.is_fresh:
            return model
        self.console.tell(f"{host.name} is {host.link}: what it shows is old, so nothing can be staged there.", "error")
        return None

    def _named(self) -> str | None:
        name = self.query_one(Deck).model
        if name is None:
            self.console.tell("There is no model under the cursor.", "warning")
        return name

    def action_mark(self) -> None:
        """Mark the model under the cursor, or take its mark away."""
        name = self._named()
        if name is not None:
            others = tuple(marked for marked in self._marked if marked != name)
            self._marked = others if name in self._marked else (*others, name)
            self.console.message = None
            self.show_deck()

    def action_unmark(self) -> None:
        """Take all marks away; with none, the hints."""
        if not self._marked and self.console.hints:
            self.console.hints.dismiss()
        self.drop_marks()

    def drop_marks(self) -> None:
        """Take all marks away."""
        self._marked = ()
        self.show_deck()

    def action_restart(self) -> None:
        """Stage a restart of the chosen models."""
        self._stage_for_all(Restart)

    def action_enable(self) -> None:
        """Stage enabling the disabled ones of the chosen models, and disabling the others."""
        self._stage_for_all(lambda name: Disable(name) if self.session.drafted().model(name).enabled else Enable(name))

    def _stage_for_all(self, change: Callable[[str], Change]) -> None:
        models = self.chosen_models()
        if models and self.console.stage(*(change(model.name) for model in models)):
            self.drop_marks()

    def action_undo(self) -> None:
        """Take the last change of the draft back."""
        self.console.tell("" if self.session.undo() else "There is nothing to undo.")
        self.show_state()

    def action_redo(self) -> None:
        """Stage the last change taken back."""
        self.console.tell("" if self.session.redo() else "There is nothing to redo.")
        self.show_state()

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
        name = self._named()
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
