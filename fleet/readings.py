"""Measured values of a host at one time. Frozen; keyed by PCI address, never by an index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from fleet.startup import ModelStart


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """Who a GPU is. The key is (pci, partition); everything else is a view of it."""

    pci: str
    """Full address: ``0000:0c:00.0``."""
    partition: int
    gpu_id: str
    """The kernel driver's id, the suffix of its per-process memory files. Text: it may exceed 63 bits elsewhere."""
    unique_id: str | None
    """16 hex digits, or None where the hardware has none."""
    hip_index: int
    """Rank of the GPU among the host's KFD nodes: what HIP calls it when no variable filters."""
    product: str | None = None
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one time. None = the driver did not say."""

    identity: GpuIdentity
    used_bytes: int | None = None
    busy_percent: int | None = None
    temperature_c: float | None = None
    """Junction temperature."""
    memory_temperature_c: float | None = None
    power_w: float | None = None
    power_cap_w: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One process that holds GPU memory."""

    pid: int
    start_ticks: int
    """With the host's boot id and the pid, the process's identity."""
    state: str
    """The kernel's letter: R, S, D, Z …"""
    name: str
    command_line: str
    owner: str | None
    """Who runs it, by its control group: ``systemd:NAME.service``, ``docker:ID`` … (`fleet.telemetry.owners`)."""
    bytes_by_gpu: tuple[tuple[str, int], ...]
    """(GPU's PCI address, bytes), only where not zero."""

    @property
    def is_ending(self) -> bool:
        """Whether it was killed and the kernel is not done with it."""
        return self.state in ("Z", "X")

    def on(self, pci: str) -> int:
        """Bytes it holds on that GPU."""
        return dict(self.bytes_by_gpu).get(pci, 0)


@dataclass(frozen=True, slots=True)
class HostReading:
    """One frame of one host's probe, joined."""

    boot_id: str
    sequence: int
    uptime_seconds: float
    gpus: tuple[GpuReading, ...]
    """Ascending by HIP index."""
    processes: tuple[ProcessReading, ...]
    """Those that hold GPU memory."""
    openers: tuple[ProcessReading, ...] = ()
    """Those that have the driver open and hold none."""

    def gpu(self, hip_index: int) -> GpuReading | None:
        """The GPU with that HIP index."""
        return next((gpu for gpu in self.gpus if gpu.identity.hip_index == hip_index), None)

    def held_by(self, owner: str) -> dict[int, int]:
        """Bytes that an owner's processes hold, by HIP index; only GPUs where they hold any."""
        owned = [process for process in self.processes if process.owner == owner]
        held = {gpu.identity.hip_index: sum(p.on(gpu.identity.pci) for p in owned) for gpu in self.gpus}
        return {index: size for index, size in held.items() if size}


class ServiceWord(StrEnum):
    """What a service manager says of a service."""

    ACTIVE = "active"
    STARTING = "starting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """One service at one time."""

    word: ServiceWord
    main_pid: int = 0
    restarts: int = 0
    result: str = ""
    """The manager's own word for how it ended: ``success``, ``exit-code``, ``signal`` …"""
    invocation: str = ""
    """The manager's own id of this run, another after every start; empty where it has none."""
    owner: str = ""
    """How its processes' control group names it, where that is not the service's own name: ``docker:ID``."""


@dataclass(frozen=True, slots=True)
class EngineReading:
    """What a model's own endpoint says. None = not asked, or no such figure."""

    healthy: bool | None = None
    kv_usage: float | None = None
    """Share of the KV cache in use, 0..1."""
    running: int | None = None
    waiting: int | None = None


class Link(StrEnum):
    """How fresh a host's readings are."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """Everything known of one host at one time; what a host's watcher publishes."""

    host: str
    link: Link
    reason: str = ""
    """Why it is not live, as a sentence."""
    read_at: float | None = None
    """Monotonic seconds of the newest frame; None before the first."""
    reading: HostReading | None = None
    services: Mapping[str, ServiceReading] = field(default_factory=lambda: MappingProxyType({}))
    """By model name."""
    engines: Mapping[str, EngineReading] = field(default_factory=lambda: MappingProxyType({}))
    """By model name."""
    remarks: tuple[str, ...] = ()
    """What an operator should know though it is no failure, as sentences: a reboot, settings of ssh not obeyed."""
    starts: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """The newest start of each model that came up and could be read, by name."""
    failures: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """The newest that did not come up, by name."""
