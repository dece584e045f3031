"""The state of a fleet out of what we reckon of it and what was last read of its hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set

from fleet.findings.assessment import Assessment
from fleet.inventory import Host, Inventory
from fleet.model import GpuId, Model
from fleet.readings import (
    EngineReading,
    EngineWord,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.state import FleetState, GpuState, HostState, ModelState, ModelWord


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
    start = failure = manager = None
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
        failure = snapshot.failures.get(model.name, failure)
        found = _word(model, service, here, sum(held.values()))
        if word is ModelWord.UNKNOWN or found not in (ModelWord.UNKNOWN, ModelWord.STOPPED):
            word, engine, manager = found, here, service
        if not snapshot.link.is_heard:
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
        failure=failure,
        service=manager,
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
