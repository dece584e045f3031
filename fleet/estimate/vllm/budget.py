"""The share of a GPU an engine asks for, what must be free before it begins, and what is left for the cache."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from fleet.estimate.vllm.versions import Era


@dataclass(frozen=True, slots=True)
class Demand:
    """What one rank takes before the cache, in bytes."""

    weights: int
    activations: int
    warm_up: int
    """What the sampler takes of it once more, after the cache is allocated and graphs are captured."""
    non_torch: int
    """Outside PyTorch's allocator, and buffers kept for every request."""
    graphs: int

    holes: int
    """Of PyTorch's pool, which nothing can use."""
    counts_holes: bool
    """Whether the engine sees them."""
    counts_graphs: bool
    """Whether the engine takes the graphs off its budget."""

    @property
    def before_cache(self) -> int:
        """What the engine takes off its budget before it sizes the cache."""
        seen = (self.holes if self.counts_holes else 0) + (self.graphs if self.counts_graphs else 0)
        return self.weights + self.activations + self.non_torch + seen


def requested_bytes(total: int, utilization: float, era: Era) -> int:
    """Utilization x total (v1/worker/utils.py ``request_memory``; before 0.14 ``Worker.init_device``)."""
    requested = total * utilization
    return ceil(requested) if era.rounds_budget_up else int(requested)


def cache_bytes(requested: int, demand: Demand, era: Era, held_by_others: int) -> int:
    """Bytes left for the cache on one GPU, negative where nothing is.

    ``held_by_others`` = the driver's, other processes' and this process's context: in some versions the engine
    takes everything in use on the card for its own.
    """
    charged = held_by_others if era.charges_neighbours else 0
    return requested - demand.before_cache - charged
