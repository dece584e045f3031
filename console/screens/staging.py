"""Staging on the deck: which models are chosen, whether they may be changed, and what the draft then has of them."""

from __future__ import annotations

from collections.abc import Callable

from console.screens.base import DeckPart
from fleet.inventory.changes import Change, Disable, Enable, Restart
from fleet.model import Model
from widgets.deck import Deck


class StagingScreen(DeckPart):
    """The part of the deck screen that marks models and stages changes of them."""

    _marked: tuple[str, ...] = ()

    @property
    def marked(self) -> tuple[str, ...]:
        """The marked models, in the order they were."""
        return self._marked

    def named_model(self) -> str | None:
        """The model under the cursor; where there is none, a word to the operator."""
        name = self.query_one(Deck).model
        if name is None:
            self.console.tell("There is no model under the cursor.", "warning")
        return name

    def chosen_model(self) -> Model | None:
        """The model under the cursor as the draft has it, if it may be changed; else a word to the operator."""
        name = self.named_model()
        return self.changeable(name) if name else None

    def chosen_models(self) -> tuple[Model, ...]:
        """The marked models, or the one under the cursor; none, and a word to the operator, where one must stay."""
        names = self._marked or tuple(filter(None, [self.named_model()]))
        models = [self.changeable(name) for name in names]
        return tuple(model for model in models if model) if all(models) else ()

    def changeable(self, name: str) -> Model | None:
        """That model as the draft has it, unless its host is not read, or is the past: then a word to the operator."""
        if self.console.rewind.past:
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

    def action_mark(self) -> None:
        """Mark the model under the cursor, or take its mark away."""
        name = self.named_model()
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
