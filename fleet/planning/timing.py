"""How long the steps of a plan take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fleet.estimate import Estimate
from fleet.planning.load_times import LoadTime, LoadTimes

DRAIN_SECONDS = 10.0
"""How long a stop waits for running requests at most, unless the fleet file says."""
STOP_SECONDS = 10.0
COMMAND_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of stops and loads: as measured where they were, else reckoned."""

    loads: LoadTimes = field(default_factory=LoadTimes)
    """What was measured of loads."""
    requests: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Requests now running or waiting, by model; a stop waits for them."""
    drains: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """How long a stop waits for them at most, where the fleet file says."""

    def load(self, model: str, host: str, estimate: Estimate) -> LoadTime:
        """How long a start there takes until the model serves."""
        return self.loads.of(model, host, estimate)

    def stop(self, model: str) -> float:
        """Seconds from the moment it takes no more requests until its memory is back, at most."""
        return STOP_SECONDS + (self.drain(model) if self.requests.get(model) else 0.0)

    def drain(self, model: str) -> float:
        """Seconds a stop waits for requests at most."""
        return self.drains.get(model, DRAIN_SECONDS)
