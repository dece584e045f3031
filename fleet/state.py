"""The fleet at one moment: what it should be, what we estimate, what we measure and what is wrong, joined."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from fleet.estimate import Estimate
from fleet.findings import Finding
from fleet.findings.assessment import Assessment, GpuOutlook
from fleet.inventory import Host, Inventory
from fleet.model import GpuId, Model, Place
from fleet.readings import (
    Cordon,
    EngineReading,
    EngineWord,
    GpuIdentity,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.startup import ModelStart
from fleet.telemetry.engines.document import engine_json


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

    @property
    def name(self) -> str:
        """The model's name in the fleet file."""
        return self.model.name

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


def totals(inventory: Inventory, snapshots: Mapping[str, HostSnapshot]) -> dict[GpuId, int]:
    """The measured memory of each GPU that was read, by its id: what estimates should reckon with."""
    found: dict[GpuId, int] = {}
    for host in inventory.hosts:
        snapshot = snapshots.get(host.name)
        for gpu in snapshot.reading.gpus if snapshot and snapshot.reading else ():
            if gpu.identity.total_bytes and gpu.identity.hip_index < host.gpus:
                found[GpuId(host.name, gpu.identity.hip_index)] = gpu.identity.total_bytes
    return found


def join(assessment: Assessment, snapshots: Mapping[str, HostSnapshot], now: float) -> FleetState:
    """The fleet at monotonic time ``now`` from what we reckon and the newest snapshot of each host."""
    inventory = assessment.inventory
    models = tuple(model_state(model, assessment, snapshots) for model in inventory.models)
    by_host = _by_host(models, snapshots)
    ours = {model.service for model in inventory.models}
    hosts = tuple(
        _host_state(host, by_host.get(host.name, ()), ours, assessment, snapshots.get(host.name), now)
        for host in inventory.hosts
    )
    return FleetState(inventory.fleet, hosts, models, assessment.findings)


def _by_host(models: Iterable[ModelState], snapshots: Mapping[str, HostSnapshot]) -> dict[str, list[ModelState]]:
    """The models that may be seen on each host; asking every host for every model would take a wide fleet seconds."""
    found: dict[str, list[ModelState]] = {}
    for model in models:
        for name in _hosts_of(model.model) or snapshots:
            found.setdefault(name, []).append(model)
    return found


def _hosts_of(model: Model) -> tuple[str, ...]:
    """The only host where the model may run; empty where it may be any."""
    return (model.place.host,) if model.enabled and model.place else ()


def _host_state(
    host: Host,
    models: Sequence[ModelState],
    services: Set[str | None],
    assessment: Assessment,
    snapshot: HostSnapshot | None,
    now: float,
) -> HostState:
    snapshot = snapshot or HostSnapshot(host.name, Link.CONNECTING)
    exporter = snapshot.reading.exporter if snapshot.reading else None
    gpus = []
    for gpu in host.gpu_ids:
        reading = snapshot.reading.gpu(gpu.index) if snapshot.reading else None
        placed = [model for model in models if _is_on(model.model, gpu)]
        strays = [model for model in models if model.used_by_gpu.get(gpu) and not _is_on(model.model, gpu)]
        gpus.append(
            GpuState(
                gpu=gpu,
                accelerator=host.accelerator.name,
                reading=reading,
                outlook=assessment.outlooks[gpu],
                models=(*placed, *strays),
                note=host.notes.get(gpu.index),
                cordon=snapshot.cordon(reading.identity.pci) if reading else None,
                strangers=_strangers(reading, snapshot.reading, services),
                unheld_bytes=_unheld_bytes(reading, snapshot.reading),
            )
        )
    age = None if snapshot.read_at is None else max(0.0, now - snapshot.read_at)
    return HostState(
        host.name, snapshot.link, snapshot.reason, age, tuple(gpus), snapshot.remarks, exporter, host.production
    )


def _strangers(
    gpu: GpuReading | None, reading: HostReading | None, ours: Collection[str | None]
) -> tuple[ProcessReading, ...]:
    if gpu is None or reading is None:
        return ()
    pci = gpu.identity.pci
    found = (
        process for process in reading.processes if process.on(pci) and (not process.owner or process.owner not in ours)
    )
    return tuple(sorted(found, key=lambda process: -process.on(pci)))


def _unheld_bytes(gpu: GpuReading | None, reading: HostReading | None) -> int | None:
    if gpu is None or reading is None or gpu.used_bytes is None or reading.exporter:
        return None
    return max(0, gpu.used_bytes - sum(process.on(gpu.identity.pci) for process in reading.processes))


def _is_on(model: Model, gpu: GpuId) -> bool:
    place = model.place
    return model.enabled and place is not None and place.host == gpu.host and gpu.index in place.gpus


def model_state(model: Model, assessment: Assessment, snapshots: Mapping[str, HostSnapshot]) -> ModelState:
    """One model, from what we reckon and the newest snapshot of each host that it may run on."""
    used: dict[GpuId, int] = {}
    measured = False
    word = ModelWord.UNKNOWN
    engine = EngineReading()
    start = None
    for host in _hosts_of(model) or snapshots:
        snapshot = snapshots.get(host)
        if snapshot is None or snapshot.reading is None:
            continue
        measured = measured or snapshot.reading.exporter is None
        service = snapshot.services.get(model.name)
        held = snapshot.reading.held_by(model.service) if model.service else {}
        used |= {GpuId(snapshot.host, index): size for index, size in held.items()}
        here = snapshot.engines.get(model.name, EngineReading())
        newest = snapshot.starts.get(model.name)
        start = newest if newest and service and newest.invocation == service.invocation else start
        found = _word(model, service, here, sum(held.values()))
        if word is ModelWord.UNKNOWN or found not in (ModelWord.UNKNOWN, ModelWord.STOPPED):
            word, engine = found, here
        if snapshot.link not in (Link.LIVE, Link.STALE):
            word = ModelWord.UNKNOWN
    if not model.enabled and word in (ModelWord.UNKNOWN, ModelWord.STOPPED):
        word = ModelWord.DISABLED
    return ModelState(
        model=model,
        word=word,
        used_bytes=sum(used.values()) if measured else None,
        estimate=assessment.estimates.get(model.name),
        used_by_gpu=used,
        engine=engine,
        start=start,
    )


def _word(model: Model, service: ServiceReading | None, engine: EngineReading, held_bytes: int) -> ModelWord:
    if service is None:
        return ModelWord.SERVING if engine.healthy else ModelWord.UNKNOWN
    match service.word:
        case ServiceWord.FAILED:
            return ModelWord.FAILED
        case ServiceWord.STOPPING:
            return ModelWord.STOPPING
        case ServiceWord.STOPPED:
            return ModelWord.DRAINING if held_bytes else ModelWord.STOPPED
        case ServiceWord.MISSING:
            return ModelWord.UNKNOWN
        case ServiceWord.STARTING:
            return ModelWord.STARTING
        case ServiceWord.ACTIVE:
            if engine.word is EngineWord.DEAD:
                return ModelWord.FAILED
            if engine.healthy or (model.url is None and held_bytes):
                return ModelWord.SERVING
            return ModelWord.LOADING if held_bytes else ModelWord.STARTING
    return ModelWord.UNKNOWN


def status_json(state: FleetState) -> dict[str, Any]:
    """The ``gpudeck/status/1`` document: sizes in bytes, None where nothing was measured."""
    return {
        "schema": "gpudeck/status/1",
        "fleet": state.fleet,
        "hosts": [
            {
                "name": host.name,
                "state": "unreachable" if host.link is Link.CONNECTING else str(host.link),
                "reason": host.reason or None,
                "remarks": list(host.remarks),
                "age_seconds": None if host.age_seconds is None else round(host.age_seconds, 1),
                "exporter": host.exporter,
                "production": host.production,
                "gpus": [_gpu_json(gpu) for gpu in host.gpus],
            }
            for host in state.hosts
        ],
        "models": [
            {
                "name": model.name,
                "state": str(model.word),
                "place": _place_text(model.model.place),
                "used_bytes": model.used_bytes,
                "estimate_bytes": model.estimate_bytes,
                "estimate_basis": model.estimate.basis if model.estimate else None,
                "kv_usage": model.engine.kv_usage,
                "running": model.engine.running,
                "waiting": model.engine.waiting,
                **engine_json(model.engine),
            }
            for model in state.models
        ],
    }


def _stranger_json(process: ProcessReading, reading: GpuReading) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "name": process.name,
        "owner": process.owner,
        "used_bytes": process.on(reading.identity.pci),
    }


def _place_text(place: Place | None) -> str | None:
    return None if place is None else str(place)


def _identity_json(who: GpuIdentity) -> dict[str, Any]:
    return {
        "pci": who.pci,
        "partition": who.partition,
        "hip_index": who.hip_index,
        "smi_index": who.smi_index,
        "node": who.node,
        "drm_card": who.drm_card,
        "render_minor": who.render_minor,
        "gpu_id": who.gpu_id or None,
        "uuid": who.uuid,
        "compute_partition": who.compute_partition,
        "memory_partition": who.memory_partition,
    }


def _gpu_json(gpu: GpuState) -> dict[str, Any]:
    reading = gpu.reading
    return {
        "id": str(gpu.gpu),
        "pci": gpu.pci,
        "total_bytes": gpu.total_bytes,
        "used_bytes": gpu.used_bytes,
        "estimate_bytes": gpu.outlook.peak_bytes,
        "other_bytes": gpu.other_bytes,
        "unheld_bytes": gpu.unheld_bytes,
        "strangers": [_stranger_json(process, reading) for process in gpu.strangers if reading],
        "temperature_c": reading.temperature_c if reading else None,
        "power_w": reading.power_w if reading else None,
        "identity": _identity_json(reading.identity) if reading else None,
        "memory_temperature_c": reading.memory_temperature_c if reading else None,
        "busy_percent": reading.busy_percent if reading else None,
        "resetting": reading.resetting if reading else None,
        "throttling_percent": asdict(reading.throttling) if reading and reading.throttling else None,
        "memory_errors": asdict(reading.errors) if reading and reading.errors else None,
        "cordoned": asdict(gpu.cordon) if gpu.cordon else None,
        "models": [model.name for model in gpu.models],
    }
