"""Carrying models over the deck: pick up, hear every GPU's verdict, put down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from console.screens.staging import StagingScreen
from fleet.errors import GpudeckError
from fleet.findings import Tense
from fleet.findings.assessment import Assessment
from fleet.inventory.changes import Change
from fleet.model import GpuId
from fleet.planning.carry import Hand, Swap, Verdict, best_fit, drop, nearest_miss
from fleet.units import count, gib_text
from widgets.deck import Deck
from widgets.pane_view import verdict_text


@dataclass(frozen=True)
class Carry:
    """Models in the operator's hand, and where they were picked up."""

    hand: Hand
    origin: GpuId | None
    is_trial: bool = False
    """Whether it is a model that nobody serves: it can be looked at everywhere and put down nowhere."""

    @cached_property
    def verdicts(self) -> Mapping[GpuId, Verdict]:
        """Every GPU's answer."""
        return self.hand.verdicts

    @cached_property
    def _afters(self) -> dict[GpuId, Assessment]:
        return {}

    def after(self, gpu: GpuId) -> Assessment | None:
        """The whole fleet with the models put down there; None where they cannot be, or are there already."""
        changes = self.verdicts[gpu].changes
        if changes and gpu not in self._afters:
            self._afters.clear()
            self._afters[gpu] = self.hand.after(changes)
        return self._afters.get(gpu)

    @cached_property
    def _swaps(self) -> dict[GpuId, Swap | None]:
        return {}

    def swap(self, gpu: GpuId) -> Swap | None:
        """The best exchange with a model there, worked out when the cursor is first there."""
        if gpu not in self._swaps:
            self._swaps[gpu] = self.hand.swap(gpu)
        return self._swaps[gpu]


class CarryingScreen(StagingScreen):
    """The part of the deck screen that carries."""

    _carry: Carry | None = None
    _remark: tuple[GpuId, str, str] | None = None
    """What is said in place of the verdict while the cursor is on that GPU, and its style."""

    def under_cursor(self) -> Verdict | None:
        """The verdict of the GPU under the cursor on what is carried."""
        gpu = self.query_one(Deck).gpu
        return self._carry.verdicts.get(gpu) if self._carry and gpu else None

    def after_under_cursor(self) -> Assessment | None:
        """The whole fleet with what is carried put down on the GPU under the cursor."""
        gpu = self.query_one(Deck).gpu if self._carry else None
        return self._carry.after(gpu) if self._carry and gpu else None

    def carrying_words(self, carry: Carry) -> tuple[str, str]:
        """What is carried, what the GPU under the cursor says to it, and which swap there is; and its style."""
        gpu, answer = self.query_one(Deck).gpu, self.under_cursor()
        if gpu is None or answer is None:
            return f"carrying {carry.hand.name}", "accent"
        if self._remark and self._remark[0] == gpu:
            return self._remark[1:]
        words, swap = f"{verdict_text(answer)} on {gpu}{_cache_words(carry, answer)}", carry.swap(gpu)
        if swap:
            words += f"   s swap with {swap.partner}: {verdict_text(swap.verdict)}"
        return self._whole(f"{'trying' if carry.is_trial else 'carrying'} {carry.hand.name}", words), "accent"

    def _whole(self, subject: str, words: str) -> str:
        """The words with what they are about, or alone where the line is too narrow for both."""
        whole = f"{subject}: {words}"
        return whole if len(whole) < self.size.width else words

    def _say_here(self, words: str, style: str = "warning") -> None:
        """Say something until the cursor goes on; readings that come in do not take it away."""
        gpu = self.query_one(Deck).gpu
        self._remark = (gpu, words, style) if gpu else None
        self.show_deck()

    def action_carry(self) -> None:
        """Pick up the marked models, or the one under the cursor, and ask every GPU for its verdict."""
        from fleet.planning.cordons import cordoned  # after the first paint

        models = self.chosen_models()
        if not models:
            return
        session = self.session
        closed = cordoned(session.board.snapshots)
        hand = Hand(session.drafted(), models, session.totals, session.starts, cordoned=closed)
        self._pick_up(Carry(hand, self.query_one(Deck).gpu))

    def try_model(self, text: str) -> None:
        """Carry a model that nobody serves, from ``MODEL [ARGUMENT=VALUE …]``. Raises UsageError."""
        from console.trying import with_trial
        from fleet.planning.cordons import cordoned

        session = self.session
        fleet, model = with_trial(session.drafted(), text)
        closed = cordoned(session.board.snapshots)
        hand = Hand(fleet, (model,), session.totals, session.starts, Tense.WHAT_IF, closed)
        self._pick_up(Carry(hand, self.query_one(Deck).gpu, is_trial=True))
        self.action_best_fit()

    def _pick_up(self, carry: Carry) -> None:
        self._carry = carry
        self.query_one(Deck).carry(True)
        self.show_keys()
        self.show_deck()

    def action_next_fit(self, step: int) -> None:
        """Go to the next GPU where everything carried starts, in the deck's order."""
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
        self._tell_no_fit(self._carry)

    def action_best_fit(self) -> None:
        """Go to the GPU with the most room left after it, and say why."""
        if self._carry is None:
            return
        best = best_fit(self._carry.verdicts)
        if best is None:
            self._tell_no_fit(self._carry)
            return
        self.query_one(Deck).go_to(best.gpu)
        words = f"{best.gpu} {verdict_text(self._carry.verdicts[best.gpu])}, {best.reason}"
        self._say_here(self._whole(f"best fit for {self._carry.hand.name}", words), "accent")

    def _tell_no_fit(self, carry: Carry) -> None:
        miss = nearest_miss(carry.verdicts)
        least = f"; least is missing on {miss[0]}: {gib_text(miss[1])}" if miss else ""
        self._say_here(f"{carry.hand.name} would start on no {'' if carry.is_trial else 'other '}GPU{least}.")

    def action_drop(self) -> None:
        """Stage the move to the GPU under the cursor."""
        carry, gpu = self._carry, self.query_one(Deck).gpu
        if carry is None or gpu is None:
            return
        if carry.is_trial:
            self._say_here(f"{carry.hand.name} is only tried: it is in no fleet file, so nothing is staged.")
            return
        try:
            changes = drop(carry.hand.inventory, carry.hand.models, gpu)
        except GpudeckError as error:
            self._say_here(str(error), "error")
            return
        self._stage(carry, changes, gpu)

    def action_swap(self) -> None:
        """Stage changing places with a model on the GPU under the cursor."""
        carry, gpu = self._carry, self.query_one(Deck).gpu
        if carry is None or gpu is None:
            return
        swap = carry.swap(gpu)
        if swap is None:
            self._say_here(f"No model on {gpu} and {carry.hand.name} would both start in each other's place.")
            return
        self._stage(carry, swap.verdict.changes, gpu)

    def _stage(self, carry: Carry, changes: tuple[Change, ...], gpu: GpuId) -> None:
        self._put_down()
        self.drop_marks()
        self.console.stage(*changes)
        self.query_one(Deck).go_to(gpu, carry.hand.models[0].name)

    def action_put_back(self) -> None:
        """Put everything back where it was."""
        carry = self._carry
        self._put_down()
        if carry is not None and carry.origin is not None:
            self.query_one(Deck).go_to(carry.origin, carry.hand.models[0].name)
        self.show_deck()

    def _put_down(self) -> None:
        self._carry = self._remark = None
        self.query_one(Deck).carry(False)
        self.show_keys()


def _cache_words(carry: Carry, answer: Verdict) -> str:
    """How long and how many the requests of a tried model could be."""
    if not carry.is_trial or answer.after is None:
        return ""
    estimate = answer.after.estimates[carry.hand.name]
    if not estimate.kv_cache_tokens:
        return ""
    fits = f", {estimate.max_concurrency:.1f} at full length" if estimate.max_concurrency is not None else ""
    return f", {count(estimate.kv_cache_tokens)} tokens{fits}"
