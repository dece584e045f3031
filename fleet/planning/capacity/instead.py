"""Which models would have to stop for one more, where nothing else makes room for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fleet.inventory import Inventory
from fleet.model import Model, Place
from fleet.planning.capacity.spots import Measured, Spot, answers, around


@dataclass(frozen=True, slots=True)
class Instead:
    """One more model in the place of others."""

    place: Place
    stopped: tuple[str, ...]
    roles: tuple[str, ...]
    """Roles that no model would have any more."""


def cheapest(inventory: Inventory, model: Model, found: tuple[Spot, ...], measured: Measured) -> Instead | None:
    """The place where fewest roles are lost, and of those the one where fewest models stop; of equals, the first.

    None where it would not start even alone.
    """
    offers = [offer for spot in found if (offer := _offer(inventory, model, spot.place, measured))]
    return min(offers, key=lambda offer: (len(offer.roles), len(offer.stopped)), default=None)


def _offer(inventory: Inventory, model: Model, place: Place, measured: Measured) -> Instead | None:
    """In the place of one model, the first in file order that is enough, or else of all that may be stopped there."""
    if any(gpu in measured.cordoned for gpu in place.gpu_ids):
        return None
    there = around(inventory, place)
    for stopped in _ever_more(there.models):
        names = {each.name for each in stopped}
        left = replace(there, models=tuple(each for each in there.models if each.name not in names))
        if next(answers(left, model, place, measured)).possible:
            kept = {each.role for each in inventory.placed if each.name not in names}
            lost = dict.fromkeys(each.role for each in stopped if each.role and each.role not in kept | {model.role})
            return Instead(place, tuple(each.name for each in stopped), tuple(lost))
    return None


def _ever_more(models: tuple[Model, ...]) -> Iterator[tuple[Model, ...]]:
    """Each of them that may be stopped alone, then all of them together."""
    stoppable = tuple(model for model in models if not model.pinned)
    yield from ((model,) for model in stoppable)
    if len(stoppable) > 1:
        yield stoppable
