"""Looking for a better placement: the best so far while it is looked for, then every move with its reason.

With GPUs to do without, also what their loss would come to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.changing.rebalancing import progress_words, propose
from console.keys import Where, bindings
from console.screens.base import ConsoleDialog
from fleet.errors import GpudeckError
from fleet.findings import Finding
from fleet.inventory.changes import Change
from fleet.model import GpuId
from fleet.planning.cordons import cordoned
from fleet.units import gib_text
from widgets.findings_list import finding_row
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph, sentence
from widgets.rows import Row, Span

if TYPE_CHECKING:
    from fleet.planning.rebalance.rebalancing import Proposal
    from fleet.planning.rebalance.search import Progress
    from fleet.planning.without import Loss

_OFFERED = frozenset({"take_offer"})
"""What means nothing where no other checkpoint is offered."""


class RebalanceScreen(ConsoleDialog):
    """A search over the draft. ``enter`` ends it with the best so far, and then stages that."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.REBALANCE)]
    DEFAULT_CSS = "RebalanceScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self, without: frozenset[GpuId] = frozenset()) -> None:
        """A search for a placement in which everything fits, or for one that only empties these GPUs."""
        super().__init__()
        self._without = without
        self._enough = Event()
        self._proposal: Proposal | None = None

    def compose(self) -> ComposeResult:
        """The proposal, or how far the search is."""
        with Vertical(), VerticalScroll():
            yield Paragraphs(sentence(f"{self._aim} …", "dim"))
        yield Hints()

    @property
    def _aim(self) -> str:
        if self._without:
            return f"Looking for another place for everything on {', '.join(map(str, sorted(self._without, key=str)))}"
        return "Looking for a placement in which everything fits"

    def on_mount(self) -> None:
        """Begin to look."""
        self.hint(Where.REBALANCE, _OFFERED)
        self.query_one(VerticalScroll).focus()
        self.run_worker(self._look(), exclusive=True)

    def on_unmount(self) -> None:
        """Let the search end where nobody waits for it any more."""
        self._enough.set()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()

        def tell(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._show_progress, progress)

        try:
            proposal = await propose(
                self.session,
                self.session.changes,
                emptied=self._without,
                only_empties=bool(self._without),
                goes_on=lambda: not self._enough.is_set(),
                on_progress=tell,
            )
        except GpudeckError as error:
            self.query_one(Paragraphs).show(sentence(f"{error.title}: {error}", "error"))
            return
        self._proposal = proposal
        self.hint(Where.REBALANCE, frozenset() if proposal.offer else _OFFERED)
        loss = self._loss(proposal) if self._without else None
        findings = self.session.only_in(loss.after) if loss else ()
        self.query_one(Paragraphs).show(
            lambda width: [*proposal_rows(proposal, width), *(loss_rows(loss, findings, width) if loss else ())]
        )

    def _loss(self, proposal: Proposal) -> Loss:
        from fleet.planning.without import loss_of

        session = self.session
        return loss_of(
            self._without,
            session.drafted(),
            proposal.moves,
            proposal.unplaced,
            totals=session.totals,
            starts=session.starts,
            cordoned=cordoned(session.board.snapshots),
        )

    def _show_progress(self, progress: Progress) -> None:
        if self.is_up and self._proposal is None:
            words = f"{self._aim} …  {progress_words(progress)}"
            self.query_one(Paragraphs).show(sentence(words, "dim"))

    def action_take(self) -> None:
        """End the search with the best so far; once it has ended, stage that and go back to the deck."""
        self._enough.set()
        if self._proposal is not None:
            self._stage(self._proposal.moves, "There is nothing to stage.")

    def action_take_offer(self) -> None:
        """Stage the checkpoints that are offered, with what moves for them, and go back to the deck."""
        if self._proposal is not None:
            offer = self._proposal.offer
            self._stage(offer.changes if offer else (), "No other checkpoint is offered.")

    def _stage(self, changes: Sequence[Change], otherwise: str) -> None:
        if not changes:
            self.say(otherwise, "warning")
        elif self.console.stage(*changes):
            self.dismiss()


def proposal_rows(proposal: Proposal, width: int) -> list[Row]:
    """What the proposal comes to, then why each model moves."""
    rows = paragraph(proposal.summary, width, "warning" if proposal.unplaced else "good")
    offered = f"{proposal.offer.sentence} Press c to stage that." if proposal.offer else ""
    for reason in filter(None, (offered, proposal.costs, *proposal.reasons.values())):
        rows += [(Span(""),), *paragraph(reason, width)]
    return rows


def loss_rows(loss: Loss, findings: Sequence[Finding], width: int) -> list[Row]:
    """What fits nowhere and by how much, which roles nothing would serve, and what else would be wrong then."""
    rows: list[Row] = [()]
    for name, miss in loss.homeless.items():
        least = f"; least is missing on {miss[0]}: {gib_text(miss[1])}" if miss else ""
        rows += paragraph(f"{name} fits nowhere else{least}.", width, "error")
    for role in loss.roles:
        rows += paragraph(f"No model would be left for {role}.", width, "error")
    return [*rows, *(finding_row(finding, width) for finding in findings)]
