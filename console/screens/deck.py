"""The deck screen: the fleet, the findings, and carrying a model from GPU to GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from console.keys import Where, bindings
from console.screens.base import ConsoleScreen
from fleet.errors import GpudeckError
from fleet.findings import Finding
from fleet.findings.placement import GpuOutlook
from fleet.inventory.changes import Change, Disable, Enable, Restart
from fleet.model import GpuId, Model
from fleet.planning.carry import Verdict, best_fit, drop, verdict
from fleet.readings import Link
from fleet.state import FleetState
from widgets.deck import Deck, ShelfItem, Way
from widgets.findings_list import FindingsList
from widgets.header import Header
from widgets.hints import Hints
from widgets.pane_view import PaneView, verdict_text


@dataclass(frozen=True, slots=True)
class Carry:
    """A model in the operator's hand."""

    model: Model
    origin: GpuId | None
    verdicts: dict[GpuId, Verdict]


class DeckScreen(ConsoleScreen):
    """Every GPU as a pane, and the keys that stage changes."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DECK, Where.CARRYING)]
    _ONLY_CARRYING = frozenset({"next_fit", "best_fit", "drop", "put_back"})

    def __init__(self, state: FleetState) -> None:
        super().__init__()
        self._state = state
        self._carry: Carry | None = None
        self._show_after = False
        self._leaving = False

    def compose(self) -> ComposeResult:
        """Header, deck, findings, last line."""
        yield Header()
        yield Deck(self._views(), self._shelf())
        yield FindingsList()
        yield Hints()

    def on_mount(self) -> None:
        """Put the keys where the cursor is."""
        self.query_one(Deck).focus()
        self._refresh_keys()
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is carried only the keys of carrying mean anything."""
        if action in self._ONLY_CARRYING:
            return self._carry is not None
        return self._carry is None or action in ("go", "gpu", "help")

    # showing

    def show_state(self) -> None:
        """Show the session's newest state."""
        self._state = self.session.state()
        self._show()

    def _show(self) -> None:
        deck = self.query_one(Deck)
        deck.show(self._views(), self._shelf())
        self.query_one(Header).show(self._state, self.console.time_of_day())
        self.query_one(FindingsList).show(self._findings())
        self._say_draft()

    def _views(self) -> list[PaneView]:
        hosts = {host.name: host for host in self._state.hosts}
        views = []
        for gpu in self._state.gpus:
            host = hosts[gpu.gpu.host]
            late = host.link in (Link.STALE, Link.LOST, Link.UNREACHABLE)
            views.append(
                PaneView(
                    gpu=gpu,
                    link=host.link,
                    age_seconds=host.age_seconds if late else None,
                    after=self._after(gpu.gpu, gpu.outlook),
                    verdict=self._carry.verdicts.get(gpu.gpu) if self._carry else None,
                    show_after=self._show_after,
                )
            )
        return views

    def _after(self, gpu: GpuId, now: GpuOutlook) -> GpuOutlook | None:
        """The outlook of the draft, or of dropping the carried model under the cursor, where it differs."""
        here = self._under_cursor()
        assessment = here.after if here and here.after else self.session.after()
        if assessment is None:
            return None
        after = assessment.outlooks[gpu]
        return after if after.shares != now.shares else None

    def _under_cursor(self) -> Verdict | None:
        if self._carry is None:
            return None
        gpu = self.query_one(Deck).gpu
        return self._carry.verdicts.get(gpu) if gpu else None

    def _shelf(self) -> list[ShelfItem]:
        staged = {change.model for change in self.session.changes}
        return [
            ShelfItem(model.name, staged=model.name in staged)
            for model in self.session.inventory.models
            if not model.enabled
        ]

    def _findings(self) -> tuple[Finding, ...]:
        here = self._under_cursor()
        return self.session.with_draft(here.after) if here and here.after else self._state.findings

    def _say_draft(self) -> None:
        if self._carry is not None:
            answer = self._under_cursor()
            place = self.query_one(Deck).gpu
            words = f"{verdict_text(answer)} on {place}" if answer else ""
            self.say(f"carrying {self._carry.model.name}: {words}", "accent")
        elif self.console.message:
            self.say(*self.console.message)
        elif self.session.changes:
            number = len(self.session.changes)
            self.say(f"draft: {number} change{'s' if number > 1 else ''}", "accent")
        else:
            self.say(self._host_words())

    def _host_words(self) -> str:
        return "  ".join(host.reason for host in self._state.hosts if host.reason)

    def _refresh_keys(self) -> None:
        self.hint(Where.CARRYING if self._carry else Where.DECK)

    def on_deck_cursor_moved(self) -> None:
        """The ghost and its findings follow the cursor."""
        if self._carry is not None:
            self._show()

    # moving about

    def action_go(self, way: Way) -> None:
        """Move the cursor."""
        self.console.message = None
        self.query_one(Deck).go(way)

    def action_gpu(self, number: int) -> None:
        """Go to the n-th GPU."""
        gpus = self._state.gpus
        if number < len(gpus):
            self.query_one(Deck).go_to(gpus[number].gpu)

    def action_now_after(self) -> None:
        """Toggle between the placement now and after the draft."""
        self._show_after = not self._show_after
        self._show()

    # carrying

    def _chosen(self) -> Model | None:
        """The model under the cursor as the draft has it, or a word to the operator that there is none."""
        name = self.query_one(Deck).model
        if name is None:
            self.console.tell("There is no model under the cursor.", "warning")
            return None
        return self.session.drafted().model(name)

    def action_carry(self) -> None:
        """Pick up the model under the cursor and ask every GPU for its verdict."""
        model = self._chosen()
        if model is None or self._refused_as_stale(model):
            return
        drafted, totals = self.session.drafted(), self.session.totals
        verdicts = {gpu: verdict(drafted, model, gpu, totals) for gpu in drafted.gpu_ids}
        deck = self.query_one(Deck)
        self._carry = Carry(model, deck.gpu, verdicts)
        deck.carry(True)
        self._refresh_keys()
        self._show()

    def _refused_as_stale(self, model: Model) -> bool:
        host = next((h for h in self._state.hosts if model.place and h.name == model.place.host), None)
        if host is None or host.link in (Link.LIVE, Link.CONNECTING):
            return False
        self.console.tell(f"{host.name} is {host.link}: what it shows is old, so nothing can be staged there.", "error")
        return True

    def action_next_fit(self, step: int) -> None:
        """Go to the next GPU it fits on, in the deck's order."""
        deck = self.query_one(Deck)
        if self._carry is None or deck.gpu is None:
            return
        order = list(self._carry.verdicts)
        start = order.index(deck.gpu)
        for distance in range(1, len(order) + 1):
            gpu = order[(start + step * distance) % len(order)]
            if self._carry.verdicts[gpu].possible:
                deck.go_to(gpu)
                return
        self.console.tell(f"{self._carry.model.name} fits on no other GPU.", "warning")

    def action_best_fit(self) -> None:
        """Go to the GPU with the most room left after it."""
        if self._carry is None:
            return
        best = best_fit(self._carry.verdicts)
        if best is None:
            self.console.tell(f"{self._carry.model.name} fits on no other GPU.", "warning")
        else:
            self.query_one(Deck).go_to(best)

    def action_drop(self) -> None:
        """Stage the move to the GPU under the cursor."""
        carry, gpu = self._carry, self.query_one(Deck).gpu
        if carry is None or gpu is None:
            return
        try:
            changes = drop(self.session.drafted(), carry.model, gpu)
        except GpudeckError as error:
            self.console.tell(str(error), "error")
            return
        self._put_down()
        self._stage(*changes)
        self.query_one(Deck).go_to(gpu, carry.model.name)

    def action_put_back(self) -> None:
        """Put the model back where it was."""
        origin = self._carry.origin if self._carry else None
        name = self._carry.model.name if self._carry else None
        self._put_down()
        if origin is not None:
            self.query_one(Deck).go_to(origin, name)
        self._show()

    def _put_down(self) -> None:
        self._carry = None
        self.query_one(Deck).carry(False)
        self._refresh_keys()

    # staging

    def _stage(self, *changes: Change) -> None:
        self.console.stage(*changes)

    def action_restart(self) -> None:
        """Stage a restart of the model under the cursor."""
        model = self._chosen()
        if model is not None and not self._refused_as_stale(model):
            self._stage(Restart(model.name))

    def action_enable(self) -> None:
        """Stage enabling or disabling the model under the cursor."""
        model = self._chosen()
        if model is not None and not self._refused_as_stale(model):
            self._stage(Disable(model.name) if model.enabled else Enable(model.name))

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
        model = self._chosen()
        if model is not None and not self._refused_as_stale(model):
            self.console.open_edit(model.name)

    def action_logs(self) -> None:
        """Show the last log lines of the model under the cursor."""
        model = self._chosen()
        if model is not None:
            self.console.open_logs(model.name)

    def action_findings(self) -> None:
        """Go through the findings."""
        if self._state.findings:
            self.console.open_findings()
        else:
            self.console.tell("Nothing is wrong: there are no findings.", "good")

    def action_plan(self) -> None:
        """Turn the draft into steps."""
        if self.session.changes:
            self.console.open_plan()
        else:
            self.console.tell("The draft is empty: move (m), edit (e) or restart (r) a model first.", "warning")

    def action_help(self) -> None:
        """Show the keys."""
        self.console.open_help()

    def action_quit(self) -> None:
        """Leave; a draft wants the key twice."""
        if self.session.changes and not self._leaving:
            self._leaving = True
            self.console.tell("The draft is not applied. Press q again to leave without it.", "warning")
            return
        self.app.exit()
