"""What the fleet file says: hosts, models and the fleet they make. `fleet.inventory.loading` reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from fleet.hardware import Accelerator, accelerator
from fleet.inventory.policy import Policy
from fleet.model import GpuId, Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleet.inventory.alerts import Alerts
    from fleet.inventory.autopilot import Autopilot

MOST_GPUS = 256
"""GPUs of one host."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine reached over SSH."""

    name: str
    address: str
    """Anything ssh takes: ``ops@gpu01``. Empty where there is none: such a host is only read, by `Prometheus`."""
    accelerator_name: str
    gpus: int
    become: str = "sudo"
    """``sudo`` or ``none``."""
    notes: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """Operators' notes by HIP index."""
    production: bool = False
    """Whether it serves production, which screens say wherever its GPUs are shown."""
    power_cap_watts: float | None = None
    """What its GPUs may draw together; None = as much as they like."""
    price_per_hour: float | None = None
    """What it costs whether it is used or not, in the fleet's currency."""

    @property
    def accelerator(self) -> Accelerator:
        """The hardware kind of its GPUs."""
        return accelerator(self.accelerator_name)

    @property
    def gpu_ids(self) -> tuple[GpuId, ...]:
        """Its GPUs, ascending."""
        return tuple(GpuId(self.name, index) for index in range(self.gpus))


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the operators say about findings."""

    ignore: tuple[str, ...] = ()
    """Codes that do not count anywhere in the fleet."""
    severity: tuple[tuple[str, str], ...] = ()
    """(code, ``error``, ``warning`` or ``info``), where it differs from the usual."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus server from which the whole fleet is read, in place of a probe on each host."""

    url: str
    """``https://prometheus.example:9090``, with a path where it has one."""
    host_label: str | None = None
    """The label that names the host; None = those of the usual exporters, one after the other."""
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """What that label says of a host, by host name, where it is neither its name nor its address."""
    match: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """Labels that series must have, where the server knows more than this fleet: ``cluster: sthlm``."""
    token_env: str | None = None
    """The environment variable with the bearer token. The token itself is kept nowhere."""
    token_file: Path | None = None
    """The file with the bearer token, read again for every query."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The fleet as a file, or a draft over it, says it should be. Order is the file's."""

    fleet: str
    hosts: tuple[Host, ...]
    models: tuple[Model, ...]
    ssh_config: Path | None = None
    """An OpenSSH client configuration; None = the user's own."""
    path: Path | None = None
    """The file it was read from."""
    preferences: Preferences = Preferences()
    policy: Policy = field(default_factory=Policy)
    prometheus: Prometheus | None = None
    """Where readings come from; None = from a probe on each host."""
    alerts: Alerts | None = None
    """What operators are told of; None = nothing."""
    autopilot: Autopilot | None = None
    """What is left to the autopilot; None = nothing."""

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def model(self, name: str) -> Model:
        """The model of that name. Raises KeyError."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    @property
    def gpu_ids(self) -> tuple[GpuId, ...]:
        """Every GPU of every host."""
        return tuple(gpu for host in self.hosts for gpu in host.gpu_ids)

    @property
    def placed(self) -> tuple[Model, ...]:
        """The enabled models; each has a place."""
        return tuple(model for model in self.models if model.enabled and model.place is not None)

    def on(self, gpu: GpuId) -> tuple[Model, ...]:
        """The enabled models placed on that GPU, in file order."""
        return tuple(
            model
            for model in self.placed
            if model.place and model.place.host == gpu.host and gpu.index in model.place.gpus
        )
