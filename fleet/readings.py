"""Measured values of a host at one time. Frozen; keyed by PCI address, never by an index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.startup import ModelStart


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """Who a GPU, or a partition of one, is. The key is its PCI address; everything else is a view of it."""

    pci: str
    """Full address, a partition's number as its function, as amd-smi writes it: ``0000:0c:00.0``, ``0000:0c:00.3``."""
    partition: int
    gpu_id: str
    """The kernel driver's id, the suffix of its per-process memory files; rocm-smi's GUID. Empty without KFD."""
    unique_id: str | None
    """16 hex digits, the same for all partitions of a GPU; None where the hardware has none."""
    hip_index: int
    """Rank of the GPU among the host's KFD nodes: what HIP calls it when no variable filters. NVIDIA: its index."""
    product: str | None = None
    total_bytes: int = 0
    """Of a partition, its share."""
    node: int | None = None
    """Number of its KFD topology node."""
    smi_index: int | None = None
    """Rank by PCI address: what amd-smi, rocm-smi and nvidia-smi call it."""
    drm_card: int | None = None
    """N of ``/dev/dri/cardN``; None of a partition, which has none of its own."""
    render_minor: int | None = None
    """N of ``/dev/dri/renderDN``: what a container is given."""
    uuid: str | None = None
    """What visibility variables take: ``GPU-`` and the unique id, or NVIDIA's UUID."""
    compute_partition: str | None = None
    """SPX, DPX, QPX, CPX …"""
    memory_partition: str | None = None
    """NPS1, NPS2, NPS4 …"""
    is_partition: bool = False
    """Whether it is one of several that a GPU is divided into, also where no other can be seen from here."""

    @property
    def device(self) -> str:
        """Address of the PCI device under ``/sys``: that of the GPU a partition belongs to."""
        return f"{self.pci.rpartition('.')[0]}.0"


class LinkKind(StrEnum):
    """What carries data from one GPU to another."""

    XGMI = "xGMI"
    PCIE = "PCIe"


@dataclass(frozen=True, slots=True)
class GpuLink:
    """How one GPU reaches another."""

    to: str
    """The other's PCI address."""
    kind: LinkKind
    weight: int
    """The driver's own measure of how far it is."""
    hops: int | None = None
    """Of xGMI; None where the weight is no whole number of them."""
    bytes_per_second: int | None = None
    """At most, one way; None where the driver does not say."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """Shares of the last while, in percent, in which a limit held a GPU back. None = not said.

    Running into the power limit is what a busy GPU does; the others are faults of cooling or supply.
    """

    power: float | None = None
    prochot: float | None = None
    """Told to slow down from outside the GPU."""
    socket_thermal: float | None = None
    vr_thermal: float | None = None
    """Voltage regulators."""
    hbm_thermal: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryErrors:
    """Errors counted since the driver came up, and memory pages given up for good. None = not said."""

    corrected: int | None = None
    uncorrected: int | None = None
    deferred: int | None = None
    """Found, and not yet met by anyone."""
    retired_pages: int | None = None
    pending_pages: int | None = None
    """To be retired at the next reset."""
    unretirable_pages: int | None = None


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one time. None = the driver did not say."""

    identity: GpuIdentity
    used_bytes: int | None = None
    """Of a partition, what processes hold on it."""
    busy_percent: int | None = None
    temperature_c: float | None = None
    """Junction temperature; of GPUs that have no such sensor, their only one."""
    memory_temperature_c: float | None = None
    power_w: float | None = None
    """Of the whole device; of its partitions only the first says it, so that a sum is right."""
    power_cap_w: float | None = None
    memory_busy_percent: int | None = None
    clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    temperature_limit_c: float | None = None
    """Junction temperature that is critical."""
    memory_temperature_limit_c: float | None = None
    device_used_bytes: int | None = None
    """Of all partitions together."""
    gtt_bytes: int | None = None
    """Host memory in use by the GPU: what did not fit, or was pinned."""
    resetting: bool = False
    """The driver tells memory and refuses every sensor, as it does while it resets a GPU."""
    asleep: bool = False
    """Suspended while nobody uses it, as some workstation GPUs are; asking its sensors would wake it."""
    throttling: Throttling | None = None
    errors: MemoryErrors | None = None
    links: tuple[GpuLink, ...] = ()
    """To the host's other GPUs that the driver names a link to, in the order of their HIP indices."""


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One process that holds GPU memory."""

    pid: int
    start_ticks: int
    """With the host's boot id and the pid, the process's identity."""
    state: str
    """The kernel's letter: R, S, D, Z …; X for one that is gone while the driver still holds its memory."""
    name: str
    command_line: str
    owner: str | None
    """Who runs it, by its control group: ``systemd:NAME.service``, ``docker:ID`` … (`fleet.telemetry.owners`)."""
    bytes_by_gpu: tuple[tuple[str, int], ...]
    """(GPU's PCI address, bytes), only where not zero."""
    evicted_ms: int | None = None
    """Time its queues were stopped to make room for others, on all GPUs: growing, memory is over-committed."""

    @property
    def is_ending(self) -> bool:
        """Whether it was killed and the kernel is not done with it."""
        return self.state in ("Z", "X")

    def on(self, pci: str) -> int:
        """Bytes it holds on that GPU."""
        for address, size in self.bytes_by_gpu:
            if address == pci:
                return size
        return 0


@dataclass(frozen=True, slots=True)
class HostReading:
    """One frame of one host's probe, joined; or what an exporter says of a host, through Prometheus."""

    boot_id: str
    sequence: int
    uptime_seconds: float
    gpus: tuple[GpuReading, ...]
    """Ascending by HIP index."""
    processes: tuple[ProcessReading, ...]
    """Those that hold GPU memory."""
    openers: tuple[ProcessReading, ...] = ()
    """Those that have the driver open and hold none: monitors, and engines that have just begun."""
    exporter: str | None = None
    """Who tells this in place of a probe. It shows no processes, so who holds what is unknown, and its HIP indices are
    numbers of its own, which need not be HIP's."""

    def gpu(self, hip_index: int) -> GpuReading | None:
        """The GPU with that HIP index."""
        return next((gpu for gpu in self.gpus if gpu.identity.hip_index == hip_index), None)

    def held_by(self, service: str) -> dict[int, int]:
        """Bytes that a service's processes hold, by HIP index; only GPUs where they hold any."""
        owner = owner_of(service)
        owned = [process for process in self.processes if process.owner == owner]
        held = {gpu.identity.hip_index: sum(p.on(gpu.identity.pci) for p in owned) for gpu in self.gpus}
        return {index: size for index, size in held.items() if size}

    def known_as(self, services: Mapping[str, str]) -> HostReading:
        """The same reading with these services as owners, by what their processes show themselves as."""
        if not services:
            return self
        return replace(
            self,
            processes=tuple(_known_as(process, services) for process in self.processes),
            openers=tuple(_known_as(process, services) for process in self.openers),
        )


def _known_as(process: ProcessReading, services: Mapping[str, str]) -> ProcessReading:
    service = services.get(process.owner or "") or services.get(f"process:{process.pid}")
    return process if service is None else replace(process, owner=owner_of(service))


def owner_of(service: str) -> str:
    """The owner a service's processes are known by: its name, up to the commands that some names go on with."""
    return service.partition(" ")[0]


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
    runs_as: tuple[str, ...] = ()
    """What its processes show instead of the service's name: their owner ``docker:ID``, or ``process:PID``."""


class EngineWord(StrEnum):
    """What an engine's endpoint shows of its engine."""

    READY = "ready"
    LOADING = "loading"
    BUSY = "busy"
    """It answered a moment ago and has no time to now."""
    DEAD = "dead"
    """The server answers for an engine that is no more."""


class Sleep(StrEnum):
    """Whether an engine has put its model away. What memory came back of it, only the driver's count tells."""

    AWAKE = "awake"
    WEIGHTS_OFFLOADED = "weights offloaded"
    ALL_DISCARDED = "all discarded"
    ASLEEP = "asleep"
    """Asleep or paused; how deeply is not said."""


@dataclass(frozen=True, slots=True)
class EngineReading:
    """What a model's own endpoint says, of all its engines together. None = not asked, or no such figure.

    Rates are of the last ten seconds or so, latencies of the last minute; None before a second look, and latencies
    also where nothing happened in that time.
    """

    healthy: bool | None = None
    """Whether it takes requests, now or as soon as it has time."""
    kv_usage: float | None = None
    """Share of the KV cache in use in the fullest engine, 0..1."""
    running: int | None = None
    waiting: int | None = None
    word: EngineWord | None = None
    """None where nothing answers."""
    sleep: Sleep | None = None
    loaded_models: tuple[str, ...] = ()
    """Of a router that loads models as they are asked for: those it holds now."""
    tokens_per_second: float | None = None
    """Generated."""
    prompt_tokens_per_second: float | None = None
    requests_per_second: float | None = None
    """Finished, well or not."""
    errors: int | None = None
    """Requests that failed since the engine started."""
    preemptions: int | None = None
    """Requests that lost their place in the KV cache and were begun anew, since the engine started."""
    ttft_p50_seconds: float | None = None
    """From a request's arrival to its first token."""
    ttft_p95_seconds: float | None = None
    inter_token_p50_seconds: float | None = None
    inter_token_p95_seconds: float | None = None
    end_to_end_p50_seconds: float | None = None
    end_to_end_p95_seconds: float | None = None
    cache_block_size: int | None = None
    """Tokens of one block of the KV cache."""
    cache_blocks: int | None = None
    """Blocks of one engine. For models with several kinds of layers, blocks times their size are not its tokens."""
    cache_tokens: int | None = None
    """Tokens the KV cache of one engine holds, by its own count."""
    cache_dtype: str | None = None
    """The engine's own word: ``auto``, ``fp8`` …"""


@dataclass(frozen=True, slots=True)
class Cordon:
    """Why nothing new is placed on a GPU."""

    who: str
    """``user@machine``."""
    why: str
    """May be empty."""
    at: float
    """Unix seconds, by that machine's clock."""

    @property
    def words(self) -> str:
        """For people: ``cordoned by ops@desk: fan to be changed``."""
        return f"cordoned by {self.who}" + (f": {self.why}" if self.why else "")


class Link(StrEnum):
    """How fresh a host's readings are."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    UNREACHABLE = "unreachable"

    @property
    def is_heard(self) -> bool:
        """Whether readings come, if late."""
        return self in (Link.LIVE, Link.STALE)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing shown of the host is too old to act on; while connecting, nothing is shown yet."""
        return self in (Link.LIVE, Link.CONNECTING)


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
    cordons: Mapping[str, Cordon] = field(default_factory=lambda: MappingProxyType({}))
    """By PCI address; under no address, that of the whole host."""
    remarks: tuple[str, ...] = ()
    """What an operator should know though it is no failure, as sentences: a reboot, settings of ssh not obeyed."""
    starts: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """The newest start of each model that came up and could be read, by name."""
    failures: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """The newest start of each model whose newest did not come up, by name."""

    def cordon(self, pci: str) -> Cordon | None:
        """Why nothing new is placed on that GPU; None where it may be."""
        return self.cordons.get(pci) or self.cordons.get("")
