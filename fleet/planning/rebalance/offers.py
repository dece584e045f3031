"""Other checkpoints of a model, offered only where nothing less lets everything fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.architecture.catalogue import find as find_architecture
from fleet.estimate import Estimate
from fleet.inventory import Inventory
from fleet.model import Least, Model


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fleet comes to with other checkpoints."""

    unplaced: Sequence[str]
    restarts: int
    arguments: Mapping[str, Sequence[str]]
    """``flag value`` of what else each model would be given."""


Answered = Callable[[Inventory, frozenset[str]], Answer]
"""The best answer for a fleet in which the named models serve another checkpoint."""


def offer(
    inventory: Inventory,
    names: Sequence[str],
    unplaced: Sequence[str],
    estimates: Mapping[str, Estimate],
    answered: Answered,
) -> str:
    """A sentence that says which checkpoints would let everything fit; empty where none would.

    Args:
        inventory: The fleet.
        names: The models that are to be placed.
        unplaced: Those of them that find no place as things are.
        estimates: What they take as they are, where they run.
        answered: Asked for each checkpoint in turn, those of models with the largest weights first.
    """
    chosen: dict[str, str] = {}
    lacking = len(unplaced)
    for name, source in _lighter(inventory, names, estimates):
        if name in chosen:
            continue
        tried = chosen | {name: source}
        found = answered(_serving(inventory, tried, estimates), frozenset(tried))
        if len(found.unplaced) < lacking:
            chosen, lacking = tried, len(found.unplaced)
        if not lacking:
            return _sentence(chosen, unplaced, found)
    return ""


def _sentence(chosen: Mapping[str, str], unplaced: Sequence[str], found: Answer) -> str:
    served = []
    for name, source in chosen.items():
        given = " and ".join(found.arguments.get(name, ()))
        served.append(f"{name} served {source}" + (f" with {given}" if given else ""))
    has, they = ("has", "it") if len(unplaced) == 1 else ("have", "they")
    return (
        f"{', '.join(unplaced)} {has} no place as things are; {they} would if {' and '.join(served)}, after "
        f"{found.restarts} restart{'' if found.restarts == 1 else 's'}. To take that, write it as source: and "
        "rebalance again."
    )


def _lighter(
    inventory: Inventory, names: Sequence[str], estimates: Mapping[str, Estimate]
) -> Iterator[tuple[str, str]]:
    """(model, checkpoint) of the models that are not pinned, the largest first, each in the operators' order."""
    models = [m for m in inventory.models if m.name in names and m.checkpoints and not m.pinned]
    for model in sorted(models, key=lambda model: -_weights(estimates.get(model.name))):
        yield from ((model.name, source) for source in model.checkpoints if find_architecture(source))


def _weights(estimate: Estimate | None) -> int:
    return sum(share.weights_bytes for share in estimate.shares) if estimate else 0


def _serving(inventory: Inventory, chosen: Mapping[str, str], estimates: Mapping[str, Estimate]) -> Inventory:
    """The fleet with these checkpoints, whose models may have a smaller share as they need less."""

    def serving(model: Model) -> Model:
        present = estimates.get(model.name)
        holds = max(1.0, (present.max_concurrency if present else None) or 1.0)
        return replace(model, source=chosen[model.name], least=model.least or Least(concurrency=holds))

    models = (serving(model) if model.name in chosen else model for model in inventory.models)
    return replace(inventory, models=tuple(models))
