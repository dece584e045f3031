"""How many copies of a model fit once others have moved, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from fleet.inventory import Inventory
from fleet.inventory.changes import Enable
from fleet.model import Model
from fleet.planning.capacity.spots import Measured, copy_of
from fleet.planning.rebalance.rebalancing import Proposal, rebalance

SECONDS = 2.0
"""How long copies are counted at most, of all models together; the most found so far is told then."""
_EACH_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Most:
    """The most copies that were found places for."""

    copies: int
    proposal: Proposal | None
    """What moves for the last of them; None where nothing has to."""
    first: Proposal | None = None
    """What moves for the first of them, where none fits as things are."""


def together(
    inventory: Inventory, models: Collection[Model], measured: Measured, seconds: float = _EACH_SECONDS
) -> Proposal:
    """A placement with all these disabled models more, with as few restarts as can be found."""
    return rebalance(
        replace(inventory, models=(*inventory.models, *models)),
        tuple(Enable(model.name) for model in models),
        closed=measured.cordoned,
        totals=measured.totals,
        starts=measured.starts,
        requests=measured.requests,
        seconds=seconds,
    )


def most_copies(inventory: Inventory, model: Model, now: int, bound: int, measured: Measured, seconds: float) -> Most:
    """The most copies, from those that fit ``now`` to ``bound``, with which no more models are without a place.

    Looked for in steps that double, then by halves, for about so many seconds.
    """
    until = time.monotonic() + seconds
    left_anyway: Collection[str] | None = None
    low, high, step = now, max(now, bound), 1
    found = Most(now, None)
    while low < high and (left := until - time.monotonic()) > 0:
        number = min(low + step, high) if step else (low + high + 1) // 2
        copies = [copy_of(model, each) for each in range(1, number + 1)]
        proposal = together(inventory, copies, measured, min(left, _EACH_SECONDS))
        if proposal.unplaced and left_anyway is None:
            left_anyway = together(inventory, (), measured, max(0.5, min(left, _EACH_SECONDS))).unplaced
        if set(proposal.unplaced) <= set(left_anyway or ()):
            low, step = number, 2 * step
            found = Most(number, proposal, found.first or (None if now else proposal))
        else:
            high, step = number - 1, 0
    return found
