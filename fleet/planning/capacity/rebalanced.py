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

SECONDS = 6.0
"""How long copies are counted at most; the most found so far is told then."""
_EACH_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Most:
    """The most copies that were found places for."""

    copies: int
    proposal: Proposal | None
    """What moves for the last of them; None where nothing has to."""


def together(inventory: Inventory, models: Collection[Model], measured: Measured) -> Proposal:
    """A placement with all these disabled models more, with as few restarts as can be found."""
    return rebalance(
        replace(inventory, models=(*inventory.models, *models)),
        tuple(Enable(model.name) for model in models),
        closed=measured.cordoned,
        totals=measured.totals,
        starts=measured.starts,
        requests=measured.requests,
        seconds=_EACH_SECONDS,
    )


def most_copies(inventory: Inventory, model: Model, now: int, bound: int, measured: Measured) -> Most:
    """The most copies, from those that fit ``now`` to ``bound``, with which no more models are without a place.

    Looked for in steps that double, then by halves, for `SECONDS`.
    """
    until = time.monotonic() + SECONDS
    low, high, step = now, max(now, bound), 1
    found = Most(now, None)
    left_anyway = set(together(inventory, (), measured).unplaced) if low < high else set()
    while low < high and time.monotonic() < until:
        number = min(low + step, high) if step else (low + high + 1) // 2
        proposal = together(inventory, [copy_of(model, each) for each in range(1, number + 1)], measured)
        if set(proposal.unplaced) <= left_anyway:
            low, step, found = number, 2 * step, Most(number, proposal)
        else:
            high, step = number - 1, 0
    return found
