"""Looking for a better placement: the best so far while it is looked for, then every move with its reason."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll

from console.keys import Where, bindings
from console.rebalancing import progress_words, propose
from console.screens.base import ConsoleDialog
from fleet.errors import GpudeckError
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs, paragraph, sentence
from widgets.rows import Row, Span

if TYPE_CHECKING:
    from fleet.planning.rebalance.rebalancing import Proposal
    from fleet.planning.rebalance.search import Progress


class RebalanceScreen(ConsoleDialog):
    """A search over the draft. ``enter`` ends it with the best so far, and then stages that."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.REBALANCE)]
    DEFAULT_CSS = "RebalanceScreen VerticalScroll { height: auto; max-height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._enough = Event()
        self._proposal: Proposal | None = None

    def compose(self) -> ComposeResult:
        """The proposal, or how far the search is."""
        with Vertical(), VerticalScroll():
            yield Paragraphs(sentence("Looking for a placement in which everything fits …", "dim"))
        yield Hints()

    def on_mount(self) -> None:
        """Begin to look."""
        self.hint(Where.REBALANCE)
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
                goes_on=lambda: not self._enough.is_set(),
                on_progress=tell,
            )
        except GpudeckError as error:
            self.query_one(Paragraphs).show(sentence(f"{error.title}: {error}", "error"))
            return
        self._proposal = proposal
        self.query_one(Paragraphs).show(lambda width: proposal_rows(proposal, width))

    def _show_progress(self, progress: Progress) -> None:
        if self.is_attached and self._proposal is None:
            words = f"Looking for a placement in which everything fits …  {progress_words(progress)}"
            self.query_one(Paragraphs).show(sentence(words, "dim"))

    def action_take(self) -> None:
        """End the search with the best so far; once it has ended, stage that and go back to the deck."""
        self._enough.set()
        if self._proposal is None:
            return
        if not self._proposal.moves:
            self.say("There is nothing to stage.", "warning")
        elif self.console.stage(*self._proposal.moves):
            self.dismiss()


def proposal_rows(proposal: Proposal, width: int) -> list[Row]:
    """What the proposal comes to, then why each model moves."""
    rows = paragraph(proposal.summary, width, "warning" if proposal.unplaced else "good")
    for reason in proposal.reasons.values():
        rows += [(Span(""),), *paragraph(reason, width)]
    return rows
