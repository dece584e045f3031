"""A rollout of the journal, step by step. One that did not end is carried on, undone or accepted from here."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from console.changing.carrying_out import accept, carry_on, undo
from console.changing.progress import outcome_style, progress_of
from console.changing.unfinished import Ways, past_words, ways
from console.keys import Where, bindings
from console.screens.progress import ProgressScreen
from console.screens.rollout import RolloutScreen, Way
from fleet.errors import GpudeckError
from fleet.inventory.changes import sentence as change_sentence
from fleet.rollout.events import Phase
from fleet.rollout.journal import Past
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span

_WAYS = frozenset({"carry_on", "roll_back", "accept"})


class RecordScreen(ProgressScreen):
    """What was done then. Nothing is changed but by the keys that say so, where it did not end."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.RECORD)]

    def __init__(self, past: Past) -> None:
        super().__init__(progress_of(past.plan, past.touches))
        self._past = past
        self._ways: Ways | None = None
        self._trouble = ""
        self._asked = ""
        """The way that was chosen and is asked about once more."""

    def on_mount(self) -> None:
        """Show it; of one that did not end, ask the hosts what each way would stop."""
        self.hint(Where.RECORD, _WAYS if self._past.outcome else frozenset())
        if self._past.outcome is None:
            self.run_worker(self._ask_hosts(), exclusive=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What ended is only looked at."""
        return self._past.outcome is None or action not in _WAYS

    async def _ask_hosts(self) -> None:
        try:
            self._ways = await ways(self.session, self._past)
        except GpudeckError as error:
            self._trouble = str(error)
        self.show_progress()

    def memory_rows(self, cells: int) -> list[Row]:
        """The memory as it is now, where there is something left to decide."""
        return super().memory_rows(cells) if self._past.outcome is None else []

    def above(self, cells: int) -> list[Row]:
        """Which rollout it is, what it changes, and what each way from here would stop."""
        rows = paragraph(f"Rollout of {past_words(self._past)}", cells, outcome_style(self._past.outcome))
        rows += [(Span("  " + change_sentence(change)),) for change in self._past.plan.changes]
        for words, told in self._ways_words() if self._past.outcome is None else ():
            rows += paragraph(words, cells, told)
        return [*rows, ()]

    def _ways_words(self) -> list[tuple[str, str]]:
        if self._trouble:
            return [(self._trouble, "error")]
        if self._ways is None:
            return [("Asking the hosts what runs there now …", "dim")]
        both = (("carry_on", "carries it on", self._ways.onward), ("roll_back", "undoes it", self._ways.back))
        return [
            (
                f"{self.key(f'record.{action}')} {does}, and stops {', '.join(models)}, which runs now."
                if models
                else f"{self.key(f'record.{action}')} {does}; nothing that runs now is stopped.",
                "warning" if models else "strong",
            )
            for action, does, models in both
        ]

    def below(self, cells: int) -> list[Row]:
        """How it ended."""
        return paragraph(self._past.message, cells, outcome_style(self._past.outcome))

    def action_carry_on(self) -> None:
        """Carry it on from where it was left."""
        if self._knows():
            self._go(carry_on)

    def action_roll_back(self) -> None:
        """Undo it; asked a second time where that stops what runs."""
        if not self._knows():
            return
        if self._ways and self._ways.back and self._asked != "roll_back":
            names = ", ".join(self._ways.back)
            self._ask_again("roll_back", f"That stops {names}", "goes back")
            return
        self._go(undo)

    def action_accept(self) -> None:
        """End it and leave all as it stands, once it was asked a second time: after that nothing undoes it."""
        if self._asked != "accept":
            self._ask_again("accept", "After that it can be neither carried on nor undone", "ends it")
            return
        self._go(accept)

    def _ask_again(self, way: str, words: str, does: str) -> None:
        self._asked = way
        key, close = self.key(f"record.{way}"), self.key("record.close")
        self.say(f"{words}. {key} again {does}, {close} leaves all as it stands.", "warning")

    def _go(self, way: Way) -> None:
        forward = [touch for touch in self._past.touches if touch.phase is Phase.PLAN]
        self.app.switch_screen(RolloutScreen(self._past.plan, way, progress_of(self._past.plan, tuple(forward))))

    def _knows(self) -> bool:
        """Whether the hosts have said what runs there; else a word to the operator."""
        if self._ways is None:
            self.say(self._trouble or "Wait until the hosts have said what runs there.", "warning")
        return self._ways is not None

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()
