"""Other checkpoints of a model, offered only where nothing less lets everything fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.architecture.catalogue import find as find_architecture
from fleet.estimate import Estimate
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Serve, SetArgument
from fleet.model import Least, Model


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fleet comes to with other checkpoints."""

    unplaced: Sequence[str]
    restarts: int
    moves: tuple[Change, ...]
    """What else is to change then."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Checkpoints that would let everything fit."""

    sentence: str
    serves: tuple[Serve, ...]
    moves: tuple[Change, ...]
    """What else is to change with them."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of it."""
        return (*self.serves, *self.moves)


Answered = Callable[[tuple[Serve, ...]], Answer]
"""The best answer for a fleet in which these are served."""


def offer(
    inventory: Inventory,
    names: Sequence[str],
    unplaced: Sequence[str],
    estimates: Mapping[str, Estimate],
    answered: Answered,
) -> Offer | None:
    """The checkpoints that would let everything fit; None where none would.

    Args:
        inventory: The fleet.
        names: The models that are to be placed.
        unplaced: Those of them that find no place as things are.
        estimates: What they take as they are, where they run.
        answered: Asked for each checkpoint in turn, those of models with the largest weights first.
    """
    chosen: dict[str, Serve] = {}
    lacking = len(unplaced)
    for serve in _lighter(inventory, names, estimates):
        if serve.model in chosen:
            continue
        tried = chosen | {serve.model: serve}
        found = answered(tuple(tried.values()))
        if len(found.unplaced) < lacking:
            chosen, lacking = tried, len(found.unplaced)
        if not lacking:
            serves = tuple(chosen.values())
            return Offer(_sentence(serves, unplaced, found), serves, found.moves)
    return None


def loosened(inventory: Inventory, changes: Iterable[Change], estimates: Mapping[str, Estimate]) -> Inventory:
    """The fleet in which models that get another checkpoint may have a smaller share, as they need less.

    They keep the concurrency they have by these ``estimates``, where the fleet file says nothing else.
    """
    served = {change.model for change in changes if isinstance(change, Serve)}

    def loose(model: Model) -> Model:
        present = estimates.get(model.name)
        holds = max(1.0, (present.max_concurrency if present else None) or 1.0)
        return replace(model, least=model.least or Least(concurrency=holds))

    models = (loose(model) if model.name in served else model for model in inventory.models)
    return replace(inventory, models=tuple(models))


def _sentence(serves: Sequence[Serve], unplaced: Sequence[str], found: Answer) -> str:
    served = []
    for serve in serves:
        own = (change for change in found.moves if isinstance(change, SetArgument) and change.model == serve.model)
        given = " and ".join(f"{change.flag} {change.value}" for change in own)
        served.append(f"{serve.model} served {serve.source}" + (f" with {given}" if given else ""))
    has, they = ("has", "it") if len(unplaced) == 1 else ("have", "they")
    return (
        f"{', '.join(unplaced)} {has} no place as things are; {they} would if {' and '.join(served)}, after "
        f"{found.restarts} restart{'' if found.restarts == 1 else 's'}."
    )


def _lighter(inventory: Inventory, names: Sequence[str], estimates: Mapping[str, Estimate]) -> Iterator[Serve]:
    """The checkpoints of models that are not pinned, the largest first, each in the operators' order."""
    models = [m for m in inventory.models if m.name in names and m.checkpoints and not m.pinned]
    for model in sorted(models, key=lambda model: -_weights(estimates.get(model.name))):
        yield from (
            Serve(model.name, source)
            for source in model.checkpoints
            if source != model.source and find_architecture(source)
        )


def _weights(estimate: Estimate | None) -> int:
    return sum(share.weights_bytes for share in estimate.shares) if estimate else 0
