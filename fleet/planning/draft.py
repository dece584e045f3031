"""Changes staged over the running placement, not yet sent."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument, apply, sentence


@dataclass(frozen=True, slots=True)
class Draft:
    """What an operator staged, in order, and can take back and stage again."""

    done: tuple[tuple[Change, ...], ...] = ()
    """One entry per staging; what was staged together is taken back together."""
    undone: tuple[tuple[Change, ...], ...] = ()
    """What was taken back, the next to stage again last."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The last change staged for each value, in the order the values were first touched."""
        latest: dict[tuple[str, str], Change] = {}
        for change in (change for staged in self.done for change in staged):
            latest[_value(change)] = change
        return tuple(latest.values())

    @property
    def ordered(self) -> tuple[Change, ...]:
        """The changes with moves first, so that a model without a place has one when it is enabled."""
        return tuple(sorted(self.changes, key=lambda change: not isinstance(change, Move)))

    def stage(self, *changes: Change) -> Draft:
        """The draft with these changes too; what was taken back before is forgotten."""
        return Draft((*self.done, changes), ()) if changes else self

    def undo(self) -> Draft:
        """The draft without its newest staging; the same where there is none."""
        if not self.done:
            return self
        return Draft(self.done[:-1], (*self.undone, self.done[-1]))

    def redo(self) -> Draft:
        """The draft with what was taken back last; the same where there is nothing."""
        if not self.undone:
            return self
        return Draft((*self.done, self.undone[-1]), self.undone[:-1])

    def clear(self) -> Draft:
        """An empty draft, whose one `redo` brings everything back."""
        return Draft((), (self.changes,)) if self.done else self

    def in_effect(self, inventory: Inventory) -> tuple[Change, ...]:
        """The `ordered` changes that really change the running placement; a value set back to what runs is none."""
        return tuple(change for change in self.ordered if _differs(inventory, change))

    def after(self, inventory: Inventory) -> Inventory:
        """The fleet as the draft would have it. Raises UsageError where a change makes no sense."""
        return apply(inventory, self.ordered)

    def words(self, inventory: Inventory) -> tuple[str, ...]:
        """Each change in effect as a sentence: ``move qwen3-32b to gpu01/7``."""
        return tuple(sentence(change) for change in self.in_effect(inventory))


def _value(change: Change) -> tuple[str, str]:
    match change:
        case Move():
            return change.model, "place"
        case SetArgument(flag=flag):
            return change.model, f"args.{flag}"
        case Serve():
            return change.model, "source"
        case Enable() | Disable():
            return change.model, "enabled"
        case Restart():
            return change.model, "restart"


def _differs(inventory: Inventory, change: Change) -> bool:
    running = next((model for model in inventory.models if model.name == change.model), None)
    if running is None:
        return True
    match change:
        case Move(place=place):
            return running.place != place
        case SetArgument(flag=flag, value=value):
            return running.args.get(flag) != value
        case Serve(source=source):
            return running.source != source
        case Enable() | Disable():
            return running.enabled != isinstance(change, Enable)
        case Restart():
            return True
