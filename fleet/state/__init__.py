"""The fleet at one moment: what it should be, what we estimate, what we measure and what is wrong.

`fleet.state.joining` makes it, `fleet.state.json` tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fleet.findings import Finding
from fleet.findings.assessment import GpuOutlook
from fleet.model import GpuId, Model
from fleet.readings import Cordon, EngineReading, GpuReading, Link, ProcessReading, ServiceReading

if TYPE_CHECKING:
    from fleet.estimate import Estimate
    from fleet.startup import ModelStart


class ModelWord(StrEnum):
    """The state of a model in one word."""

    SERVING = "serving"
    STARTING = "starting"
    LOADING = "loading"
    DRAINING = "draining"
    """Stopped, and the driver has not taken its memory back."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model at one moment. Sizes in bytes over all its GPUs; None = not measured."""

    model: Model
    word: ModelWord
    used_bytes: int | None
    estimate: Estimate | None
    """None for a disabled model."""
    used_by_gpu: Mapping[GpuId, int]
    engine: EngineReading
    start: ModelStart | None = None
    """The start of what runs now; None where it could not be read."""
    failure: ModelStart | None = None
    """The newest start that came to an end, where it came to nothing; None where it came up or could not be read."""
    service: ServiceReading | None = None
    """What its service manager says of it; None before it was asked, and where there is none."""

    @property
    def name(self) -> str:
        """The model's name in the fleet file."""
        return self.model.name

    @property
    def is_down(self) -> bool:
        """Whether it should serve and does not even try."""
        return self.model.enabled and self.word in (ModelWord.FAILED, ModelWord.STOPPED)

    @property
    def comes_up_again(self) -> bool:
        """Whether its service manager starts it anew, since it ended by itself."""
        tries = self.word in (ModelWord.STARTING, ModelWord.LOADING)
        return tries and self.service is not None and self.service.restarts > 0

    @property
    def why_not_up(self) -> str:
        """Why it does not serve, in the engine's words; empty where it does, or that is not known."""
        return self.failure.startup.sentence if self.failure and (self.is_down or self.comes_up_again) else ""

    @property
    def estimate_bytes(self) -> int:
        """What we reckon it takes at its peak; 0 while it is disabled."""
        return sum(share.total_bytes for share in self.estimate.shares) if self.estimate else 0


@dataclass(frozen=True, slots=True)
class GpuState:
    """One GPU at one moment."""

    gpu: GpuId
    accelerator: str
    reading: GpuReading | None
    outlook: GpuOutlook
    models: tuple[ModelState, ...]
    """Placed here by the fleet file, in its order, then any other that holds memory here."""
    note: str | None = None
    strangers: tuple[ProcessReading, ...] = ()
    """Processes that hold memory here and belong to no model of the fleet, the largest first."""
    cordon: Cordon | None = None
    """Why nothing new is placed here; None where it may be."""
    unheld_bytes: int | None = None
    """Used memory that no process holds: the driver's own, and what it has not taken back. None where it is
    not known who holds what: before a reading, and where an exporter tells it."""

    @property
    def total_bytes(self) -> int:
        """Measured where we can, else the accelerator's own figure."""
        return self.outlook.total_bytes

    @property
    def used_bytes(self) -> int | None:
        """Memory in use by the driver's count; None before a reading."""
        return self.reading.used_bytes if self.reading else None

    @property
    def other_bytes(self) -> int | None:
        """Used memory that belongs to no model of the fleet: the driver, strangers, and what nobody owns.

        None where it is not known who holds what.
        """
        if self.used_bytes is None or self.unheld_bytes is None:
            return None
        return max(0, self.used_bytes - sum(model.used_by_gpu.get(self.gpu, 0) for model in self.models))

    @property
    def pci(self) -> str | None:
        """The GPU's identity; None before a reading, and where an exporter does not say."""
        return self.reading.identity.pci or None if self.reading else None


@dataclass(frozen=True, slots=True)
class HostState:
    """One host at one moment."""

    name: str
    link: Link
    reason: str
    age_seconds: float | None
    """Age of the newest reading; None before the first."""
    gpus: tuple[GpuState, ...]
    remarks: tuple[str, ...] = ()
    """What an operator should know of it though it is no failure, as sentences."""
    exporter: str | None = None
    """Who tells its readings in place of a probe: `HostReading.exporter`."""
    production: bool = False
    """Whether it serves production."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """The whole fleet at one moment; all that a screen, a report or a recording needs."""

    fleet: str
    hosts: tuple[HostState, ...]
    models: tuple[ModelState, ...]
    findings: tuple[Finding, ...]

    @property
    def gpus(self) -> tuple[GpuState, ...]:
        """Every GPU of every host."""
        return tuple(gpu for host in self.hosts for gpu in host.gpus)

    def gpu(self, gpu: GpuId) -> GpuState:
        """The GPU of that id. Raises KeyError."""
        for state in self.gpus:
            if state.gpu == gpu:
                return state
        raise KeyError(str(gpu))

    def model(self, name: str) -> ModelState:
        """The model of that name. Raises KeyError."""
        for state in self.models:
            if state.name == name:
                return state
        raise KeyError(name)

    def host(self, name: str) -> HostState:
        """The host of that name. Raises KeyError."""
        for state in self.hosts:
            if state.name == name:
                return state
        raise KeyError(name)
