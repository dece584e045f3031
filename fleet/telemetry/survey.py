"""One look at a host nobody has described yet: its GPUs, who holds memory on them, and what serves what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fleet.errors import EndpointError, GpudeckError, UnreachableError, UsageError
from fleet.hardware import recognise
from fleet.inventory import Host
from fleet.model import Arguments, Engine, Model, Place, Version
from fleet.readings import GpuIdentity, HostReading, ProcessReading
from fleet.services import Definition, Service
from fleet.services.compose import Compose
from fleet.services.container_engine import ContainerEngine
from fleet.services.quadlet import Quadlet, made_of
from fleet.services.registry import service_named
from fleet.services.serve_line import Served, read
from fleet.services.systemd import Systemd
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join
from fleet.text import clean

_PORTS = {"vllm": 8000, "llama.cpp": 8080, "sglang": 30000, "text-embeddings-inference": 3000, "infinity": 7997}
"""Where each engine listens unless it is told otherwise."""
_NOT_MEMORY = frozenset({"host", "port", "served-model-name", "api-key", "model", "uvicorn-log-level", "ssl-keyfile"})
"""Flags that say nothing of memory; a key must not end up in a file at all."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A host as it was found."""

    host: Host
    models: tuple[Model, ...]
    left_out: tuple[str, ...]
    """What holds memory and could not be described, one sentence each."""


async def survey(connection: ProbeOnly, name: str, address: str, become: str) -> Surveyed:
    """Look at a host once, changing nothing.

    Raises UnreachableError where it does not answer, GpudeckError where it has no GPU we can read.
    """
    reading = await _first_reading(connection)
    if not reading.gpus:
        raise GpudeckError(
            f"{name} shows no GPU in its driver's files.",
            "The amdgpu driver must be loaded and /sys/class/kfd readable.",
        )
    host = Host(name, address, _kind(name, reading.gpus[0].identity), len(reading.gpus), become)
    models: list[Model] = []
    left_out: list[str] = []
    taken: set[str] = set()
    for owner, processes in _by_owner(reading).items():
        try:
            model = await _model(connection, host, reading, owner)
        except GpudeckError as error:
            left_out.append(f"{owner or processes[0].name} holds GPU memory and is left out: {error}")
            continue
        models.append(_named_apart(model, taken))
    return Surveyed(host, tuple(models), tuple(left_out))


async def _first_reading(connection: ProbeOnly) -> HostReading:
    reader = FrameReader()
    async with connection.stream(script()) as lines:
        async for line in lines:
            if frame := reader.feed(line):
                return join(frame)
    raise UnreachableError(f"The probe on {connection.host} ended without a reading.")


def _kind(name: str, identity: GpuIdentity) -> str:
    found = recognise(identity.product or "", identity.total_bytes or None)
    if found is None:
        raise GpudeckError(f"The GPUs of {name} are of a kind that is not known: {identity.product or 'no name'}.")
    return found.name


def _by_owner(reading: HostReading) -> dict[str | None, list[ProcessReading]]:
    """Processes by who runs them, in the order of their first GPU; what nobody runs stands alone at the end."""
    owners: dict[str | None, list[ProcessReading]] = {}
    for process in sorted(reading.processes, key=lambda process: _first_gpu(reading, process)):
        owners.setdefault(process.owner, []).append(process)
    if None in owners:
        owners[None] = owners.pop(None)
    return owners


def _first_gpu(reading: HostReading, process: ProcessReading) -> int:
    held = [gpu.identity.hip_index for gpu in reading.gpus if process.on(gpu.identity.pci)]
    return min(held, default=len(reading.gpus))


async def _model(connection: ProbeOnly, host: Host, reading: HostReading, owner: str | None) -> Model:
    """What a service serves, by its unit's own command line. Raises GpudeckError where it cannot be told."""
    if owner is None:
        raise GpudeckError("no service manager runs it, so that gpudeck could not restart it.")
    service, definition = await _service(connection, owner, host.become)
    indices = tuple(sorted(reading.held_by(owner)))
    held = max(reading.held_by(owner).values())
    try:
        served = read((*_before(service), *(definition.overlaid_argv or definition.argv)))
    except UsageError:
        return Model(
            _slug(service.name),
            Engine("other"),
            place=Place(host.name, indices),
            service=service.name,
            memory_bytes=held,
        )
    url = f"http://127.0.0.1:{_port(served)}"
    return Model(
        _slug(str(served.args.get("served-model-name") or served.source)),
        await _with_version(connection, served.engine, url),
        source=served.source,
        place=Place(host.name, indices),
        service=service.name,
        url=url,
        args=Arguments({flag: value for flag, value in served.args.items() if flag not in _NOT_MEMORY}),
        memory_bytes=held if served.engine.name in ("whisper", "other") else None,
    )


async def _service(connection: ProbeOnly, owner: str, become: str) -> tuple[Service, Definition]:
    """The service as a fleet file names it, and its definition: a Quadlet rather than the unit that is made of it."""
    service = service_named(await _service_name(connection, owner, become), become)
    definition = service.parse_definition(await connection.read(service.definition()))
    name = made_of(definition) if isinstance(service, Systemd) else None
    if name is None:
        return service, definition
    quadlet = service_named(f"quadlet{'-user' if owner.startswith('systemd-user:') else ''}:{name}", become)
    return quadlet, quadlet.parse_definition(await connection.read(quadlet.definition()))


def _before(service: Service) -> tuple[str, ...]:
    """What has to stand before a definition's words so that they are a command line: some begin with the image."""
    return ("docker", "run") if isinstance(service, (Quadlet, Compose)) else ()


async def _service_name(connection: ProbeOnly, owner: str, become: str) -> str:
    """The service as a fleet file names it: a container by its name, which stays when it is made anew."""
    kind, _, identity = owner.partition(":")
    if kind not in ("docker", "podman"):
        return owner
    engine = ContainerEngine(kind, become)
    answer = await connection.read(engine.name_of(identity))
    if not answer.ok:
        raise GpudeckError(f"{kind} does not tell its name: {clean(answer.stderr) or 'it gave no reason'}")
    return engine.parse_name(answer.stdout)


def _port(served: Served) -> int:
    said = served.args.get("port")
    return said if isinstance(said, int) and not isinstance(said, bool) else _PORTS.get(served.engine.name, 8000)


async def _with_version(connection: ProbeOnly, engine: Engine, url: str) -> Engine:
    """The engine with the version it tells of itself, where it does (vLLM's ``/version``)."""
    if engine.version or engine.name != "vllm":
        return engine
    try:
        answer = await connection.get(f"{url}/version")
        said = json.loads(answer.body)["version"] if answer.status == 200 else ""
        return Engine(engine.name, Version(clean(str(said), 40).split("+")[0]))
    except (EndpointError, ValueError, KeyError, TypeError):
        return engine


def _slug(text: str) -> str:
    last = text.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".service").removesuffix(".gguf")
    return re.sub(r"[^a-z0-9.]+", "-", last.lower()).strip("-.")[:60] or "model"


def _named_apart(model: Model, taken: set[str]) -> Model:
    for name in _candidates(model.name):
        if name not in taken:
            taken.add(name)
            return replace(model, name=name)
    raise AssertionError("unreachable: there are always more numbers")


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
