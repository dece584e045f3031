"""The world a plan is made from: which GPU is which, and how each service stands."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fleet.calibration.known import known_starts
from fleet.commands import Answer, Reader
from fleet.errors import GpudeckError, UnreachableError, UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, apply
from fleet.model import GpuId, Model
from fleet.readings import Cordon, GpuIdentity, GpuReading, HostReading, HostSnapshot, Link, ServiceWord
from fleet.services import Definition, MissingServiceError, Service
from fleet.services.cordons import WHOLE_HOST, parse_cordons, read_cordons
from fleet.services.installing import rendered, to_install
from fleet.services.registry import service_of
from fleet.startup import ModelStart

_RUNNING = {ServiceWord.ACTIVE, ServiceWord.STARTING, ServiceWord.STOPPING}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one model's service stands on one host."""

    running: bool
    held: Mapping[GpuId, int] = field(default_factory=lambda: MappingProxyType({}))
    """Bytes its processes hold, by GPU."""
    requests: int = 0
    """Requests running or waiting."""
    definition: Definition | None = None
    """Read only for the models a plan changes."""


STOPPED = Standing(running=False)


@dataclass(frozen=True, slots=True)
class World:
    """What is known of the hosts a plan touches."""

    gpus: Mapping[GpuId, GpuReading]
    standings: Mapping[tuple[str, str], Standing]
    """By model and host."""
    cordons: Mapping[GpuId, Cordon] = field(default_factory=lambda: MappingProxyType({}))
    """GPUs on which nothing new is placed."""
    starts: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """What starts of models measured, by name; no fact a plan would be wrong without."""

    def identities(self, host: str) -> tuple[GpuIdentity, ...]:
        """Who the GPUs of that host are."""
        return tuple(reading.identity for gpu, reading in self.gpus.items() if gpu.host == host)

    def standing(self, model: str, host: str) -> Standing:
        """How that model's service stands there; stopped where nothing is known of it."""
        return self.standings.get((model, host), STOPPED)

    def runs_on(self, model: str) -> str | None:
        """The host where that model runs; None where it does not."""
        return next((host for (name, host), s in self.standings.items() if name == model and s.running), None)

    @property
    def digest(self) -> str:
        """A digest of everything whose change would make a plan wrong; bytes in use are not in it."""
        facts = {
            "gpus": {str(gpu): _gpu_facts(reading) for gpu, reading in self.gpus.items()},
            "models": {f"{m}@{host}": _standing_facts(s) for (m, host), s in self.standings.items()},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _gpu_facts(reading: GpuReading) -> list[Any]:
    identity = reading.identity
    return [identity.pci, identity.partition, identity.unique_id, identity.total_bytes]


def _standing_facts(standing: Standing) -> list[Any]:
    definition = standing.definition
    if definition is None:
        return [standing.running]
    environment = sorted(definition.environment.items())
    return [standing.running, definition.command, environment, definition.overlay]


async def read_world(
    inventory: Inventory,
    changes: Iterable[Change],
    connections: Mapping[str, Reader],
    snapshots: Mapping[str, HostSnapshot],
) -> World:
    """Read what a plan for these changes has to know.

    Args:
        inventory: The fleet as it runs.
        changes: What is to change.
        connections: By host.
        snapshots: The newest of each host.

    Raises:
        UnreachableError: A host the changes touch is not live, or was lost while it was asked.
        UsageError: A changed model has no service.
        GpudeckError: A service is missing on its host, or its definition cannot be read.
    """
    changes = tuple(changes)
    after = apply(inventory, changes)
    names = {change.model for change in changes}
    touched = [model for model in (*inventory.models, *after.models) if model.name in names and model.place]
    hosts = dict.fromkeys(model.place.host for model in touched if model.place)
    readings = {host: _live(snapshots.get(host), host) for host in hosts}
    gpus = {GpuId(host, gpu.identity.hip_index): gpu for host, (_, reading) in readings.items() for gpu in reading.gpus}
    spares = [model for model in spares_of(after, names) if model.place and model.place.host in hosts]
    wanted = {(model.name, model.place.host): model for model in (*touched, *spares) if model.place}
    here = {(model.name, model.place.host): model for model in inventory.placed if model.place}
    standings = {
        (model.name, host): _standing(model, host, *readings[host])
        for (_, host), model in {**here, **wanted}.items()
        if host in readings
    }
    runs = {model.name for model in (*inventory.placed, *after.placed)}
    readers = {name: _definition if name in runs else _idle_definition for name, _ in wanted}
    found = await asyncio.gather(
        *(readers[name](inventory, model, host, connections) for (name, host), model in wanted.items())
    )
    for key, definition in zip(wanted, found, strict=True):
        old = standings[key]
        standings[key] = Standing(old.running, old.held, old.requests, definition)
    seen = {host: snapshot for host, (snapshot, _) in readings.items()}
    return World(gpus, standings, await _cordons(inventory, gpus, connections), known_starts(inventory, seen))


def spares_of(inventory: Inventory, names: Collection[str]) -> tuple[Model, ...]:
    """The copies that are not to run themselves and may serve meanwhile what these serve, where a router sends it."""
    entries = {m.replica_of for m in inventory.models if m.name in names and m.handling.router_add} - {None}
    copies = (m for m in inventory.models if m.replica_of in entries)
    return tuple(m for m in copies if m.place and m.service and not m.enabled)


async def _idle_definition(
    inventory: Inventory, model: Model, host: str, connections: Mapping[str, Reader]
) -> Definition | None:
    """How the service of a model is defined that is not to run; None where it could not."""
    try:
        found = await _definition(inventory, model, host, connections)
    except UnreachableError:
        raise
    except GpudeckError:
        return None
    return None if found.missing else found


async def _cordons(
    inventory: Inventory, gpus: Mapping[GpuId, GpuReading], connections: Mapping[str, Reader]
) -> dict[GpuId, Cordon]:
    """Read anew: another operator may have cordoned one a moment ago."""
    found: dict[GpuId, Cordon] = {}
    for host in dict.fromkeys(gpu.host for gpu in gpus):
        answer = await connections[host].read(read_cordons(inventory.host(host).become))
        said = parse_cordons(answer.stdout) if answer.ok else {}
        for gpu, reading in gpus.items():
            cordon = said.get(reading.identity.pci) or said.get(WHOLE_HOST)
            if gpu.host == host and cordon:
                found[gpu] = cordon
    return found


def _live(snapshot: HostSnapshot | None, host: str) -> tuple[HostSnapshot, HostReading]:
    if snapshot is None or snapshot.reading is None or snapshot.link is not Link.LIVE:
        reason = snapshot.reason if snapshot and snapshot.reason else "it has sent no reading yet"
        raise UnreachableError(f"{host} is not live: {reason.rstrip('.')}.", "Nothing is changed on it until it is.")
    return snapshot, snapshot.reading


def _standing(model: Model, host: str, snapshot: HostSnapshot, reading: HostReading) -> Standing:
    service = snapshot.services.get(model.name)
    engine = snapshot.engines.get(model.name)
    by_index = reading.held_by(model.service) if model.service else {}
    held = {GpuId(host, index): size for index, size in by_index.items()}
    return Standing(
        running=service.word in _RUNNING if service else bool(held),
        held=held,
        requests=((engine.running or 0) + (engine.waiting or 0)) if engine else 0,
    )


async def _definition(inventory: Inventory, model: Model, host: str, connections: Mapping[str, Reader]) -> Definition:
    """How the model's service is defined there, or would be if it were made from the fleet file's template."""
    service = _service(inventory, model, host)
    answer = await connections[host].read(service.definition())
    try:
        return service.parse_definition(answer)
    except MissingServiceError as missing:
        message = f"{model.name} on {host}: {missing.message}"
        if model.service_template is not None:
            return _from_template(service, model, model.service_template, message)
        elsewhere = await _elsewhere(inventory, model, host, connections)
        raise MissingServiceError(message, f"{missing.way_out}{elsewhere}") from None
    except GpudeckError as error:
        raise GpudeckError(f"{model.name} on {host}: {error.message}", error.way_out) from None


def _service(inventory: Inventory, model: Model, host: str) -> Service:
    service = service_of(model, inventory.host(host).become)
    if service is None:
        raise UsageError(
            f"{model.name} has no service, so gpudeck cannot restart it.",
            "Write how it is run into the fleet file, such as service: systemd:NAME.service.",
        )
    return service


def _from_template(service: Service, model: Model, path: Path, missing: str) -> Definition:
    try:
        text = rendered(path.read_text(encoding="utf-8"), model)
        service.install(text)
        suffix = "container" if service.name.startswith("quadlet") else "service"
        definition = service.parse_definition(Answer(0, f"# {path.absolute()}.{suffix}\n{text}", ""))
    except (OSError, ValueError) as error:
        raise GpudeckError(f"{missing} Its template cannot be used: {error}.") from None
    except GpudeckError as error:
        raise GpudeckError(f"{missing} Its template cannot be used: {error.message}", error.way_out) from None
    return replace(definition, missing=text)


async def _elsewhere(inventory: Inventory, model: Model, host: str, connections: Mapping[str, Reader]) -> str:
    """The definition the model has on the host where it is now, to be installed on another; empty where it has none."""
    here = inventory.model(model.name)
    if here.place is None or here.place.host == host:
        return ""
    service = _service(inventory, here, here.place.host)
    try:
        found = service.parse_definition(await connections[here.place.host].read(service.definition()))
    except GpudeckError:
        return ""
    return f" On {here.place.host} it is:\n{to_install(found.text)}" if found.text else ""
