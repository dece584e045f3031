"""How long the steps of a plan take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fleet.estimate import Estimate
from fleet.units import GiB

DRAIN_SECONDS = 10.0
"""How long a stop waits for running requests at most, unless the fleet file says."""
STOP_SECONDS = 10.0
COMMAND_SECONDS = 1.0
ENGINE_SECONDS = 40.0
"""Of an engine's start, beside reading the weights."""
READ_BYTES_PER_SECOND = 2.0 * GiB
"""How fast weights are read where nobody has measured it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of stops and loads: as measured where they were, else reckoned."""

    loads: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Seconds each model's starts took before, by its name."""
    bytes_per_second: float = READ_BYTES_PER_SECOND
    """How fast a host reads weights, to every GPU at once."""
    requests: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Requests now running or waiting, by model; a stop waits for them."""
    drains: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """How long a stop waits for them at most, where the fleet file says."""

    def load(self, model: str, estimate: Estimate) -> float:
        """Seconds from a start until the model serves."""
        if model in self.loads:
            return self.loads[model]
        largest = max((share.weights_bytes for share in estimate.shares), default=0)
        return ENGINE_SECONDS + largest / self.bytes_per_second

    def stop(self, model: str) -> float:
        """Seconds from the moment it takes no more requests until its memory is back, at most."""
        return STOP_SECONDS + (self.drain(model) if self.requests.get(model) else 0.0)

    def drain(self, model: str) -> float:
        """Seconds a stop waits for requests at most."""
        return self.drains.get(model, DRAIN_SECONDS)
