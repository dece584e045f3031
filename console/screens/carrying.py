"""Carrying a model over the deck: pick up, hear every GPU's verdict, put down."""

from __future__ import annotations

from dataclasses import dataclass

from console.screens.base import ConsoleScreen
from fleet.errors import GpudeckError
from fleet.model import GpuId, Model
from fleet.planning.carry import Verdict, best_fit, drop, verdict
from fleet.planning.cordons import cordoned
from widgets.deck import Deck
from widgets.pane_view import verdict_text


@dataclass(frozen=True, slots=True)
class Carry:
    """A model in the operator's hand."""

    model: Model
    origin: GpuId | None
    verdicts: dict[GpuId, Verdict]


class CarryingScreen(ConsoleScreen):
    """The part of the deck screen that carries."""

    _carry: Carry | None = None

    def chosen_model(self) -> Model | None:
        """The model under the cursor as the draft has it, if it may be changed; else a word to the operator."""
        raise NotImplementedError

    def show_deck(self) -> None:
        """Show what there is again."""
        raise NotImplementedError

    def show_keys(self) -> None:
        """Hint at the keys that now mean something."""
        raise NotImplementedError

    def under_cursor(self) -> Verdict | None:
        """The verdict of the GPU under the cursor on what is carried."""
        gpu = self.query_one(Deck).gpu
        return self._carry.verdicts.get(gpu) if self._carry and gpu else None

    def carrying_words(self) -> str:
        """What is carried, and what the GPU under the cursor says to it; empty where nothing is."""
        if self._carry is None:
            return ""
        answer = self.under_cursor()
        words = f" {verdict_text(answer)} on {self.query_one(Deck).gpu}" if answer else ""
        return f"carrying {self._carry.model.name}:{words}"

    def action_carry(self) -> None:
        """Pick up the model under the cursor and ask every GPU for its verdict."""
        model = self.chosen_model()
        if model is None:
            return
        drafted, totals = self.session.drafted(), self.session.totals
        starts, closed = self.session.starts, cordoned(self.session.board.snapshots)
        verdicts = {gpu: verdict(drafted, model, gpu, totals, starts, closed) for gpu in drafted.gpu_ids}
        deck = self.query_one(Deck)
        self._carry = Carry(model, deck.gpu, verdicts)
        deck.carry(True)
        self.show_keys()
        self.show_deck()

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
        self.console.stage(*changes)
        self.query_one(Deck).go_to(gpu, carry.model.name)

    def action_put_back(self) -> None:
        """Put the model back where it was."""
        carry = self._carry
        self._put_down()
        if carry is not None and carry.origin is not None:
            self.query_one(Deck).go_to(carry.origin, carry.model.name)
        self.show_deck()

    def _put_down(self) -> None:
        self._carry = None
        self.query_one(Deck).carry(False)
        self.show_keys()
