"""A fleet at one moment, as the autopilot looks at it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from fleet.autopilot.watching import Watch
from fleet.inventory import Inventory
from fleet.inventory.autopilot import Autopilot, Rotation, Scaling
from fleet.model import GpuId, Model
from fleet.readings import Link
from fleet.state import FleetState, ModelState, ModelWord
from fleet.windows import Windows

_RUNNING = (ModelWord.STARTING, ModelWord.LOADING, ModelWord.SERVING, ModelWord.DRAINING, ModelWord.STOPPING)
CALM_SECONDS = 60.0
"""A model that is to go for another reason than its idleness has had no request for so long."""


@dataclass(frozen=True)
class Situation:
    """What is, what was seen, and what the operators left to the autopilot."""

    inventory: Inventory
    state: FleetState
    watch: Watch
    at: float
    """Unix seconds."""

    @cached_property
    def autopilot(self) -> Autopilot:
        """What is left to it; nothing where the fleet file does not say."""
        return self.inventory.autopilot or Autopilot()

    @cached_property
    def _rotation(self) -> dict[str, Rotation]:
        return {rotation.model: rotation for rotation in self.autopilot.rotation}

    @cached_property
    def _scaling(self) -> dict[str, Scaling]:
        return {scaling.role: scaling for scaling in self.autopilot.roles}

    @cached_property
    def unread(self) -> frozenset[GpuId]:
        """GPUs of hosts that do not answer: nothing is known of them, so nothing is done there."""
        return frozenset(gpu.gpu for host in self.state.hosts if host.link is not Link.LIVE for gpu in host.gpus)

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(m.model.role for m in self.state.models if m.model.role and self._is_there(m))

    @cached_property
    def _run(self) -> frozenset[str]:
        return frozenset(model.name for model in self.state.models if model.word in _RUNNING)

    @cached_property
    def _serving(self) -> Counter[str]:
        return Counter(m.model.role for m in self.state.models if m.model.role and m.word is ModelWord.SERVING)

    def _is_there(self, model: ModelState) -> bool:
        """Whether it serves or may be about to; a restart by hand is no reason to load another."""
        stopped = self.watch.stopped(model.name, self.at) >= CALM_SECONDS
        return model.model.enabled and model.word is not ModelWord.FAILED and not stopped

    def count(self, role: str) -> int:
        """Models that serve the role, or are about to; those of hosts that do not answer too."""
        return self._counts[role]

    def is_off(self, model: Model) -> bool:
        """Whether the fleet file has it disabled, and it does not run all the same: somebody may have loaded it."""
        return not model.enabled and model.name not in self._run

    def is_in_hours(self, model: str) -> bool:
        """Whether it has hours, and they are now."""
        hours = self._hours(model)
        return hours is not None and hours.open_at(self.at)

    def is_resting(self, model: str) -> bool:
        """Whether it has hours, and they are not now."""
        hours = self._hours(model)
        return hours is not None and not hours.open_at(self.at)

    def may_go(self, model: Model) -> bool:
        """Whether it may be unloaded at all: nobody wants it to stay, and without it its role keeps its least.

        What still loads does not count for that: it may fail.
        """
        scaling = self._scaling.get(model.role or "")
        return (
            model.enabled
            and not model.pinned
            and not self.is_in_hours(model.name)
            and (scaling is None or self._serving[scaling.role] > scaling.least)
        )

    @cached_property
    def evictable(self) -> tuple[Model, ...]:
        """Those that may make room for another: left to the autopilot, and without a request for a while."""
        return tuple(
            model
            for model in self.inventory.models
            if (model.name in self._rotation or model.role in self._scaling)
            and self.may_go(model)
            and self.watch.idle(model.name, self.at) >= CALM_SECONDS
        )

    def _hours(self, model: str) -> Windows | None:
        rotation = self._rotation.get(model)
        return rotation.hours if rotation else None
