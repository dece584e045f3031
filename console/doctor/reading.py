"""Whether a host can be read: its probe, its logs, its engines, its clock."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence

from console.doctor import Check, Grade
from fleet.commands import Read
from fleet.errors import EndpointError, GpudeckError, UsageError
from fleet.hardware import recognise
from fleet.inventory import Host
from fleet.model import Model
from fleet.readings import EngineWord, HostReading
from fleet.services import Service
from fleet.services.registry import service_of
from fleet.services.systemd import Systemd
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.engines.asking import Asker
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join
from fleet.telemetry.logs import read_log
from fleet.text import clean
from fleet.units import duration

PROBE_SECONDS = 20.0
CLOCK_SECONDS = 5.0
"""Difference from which on times of events on hosts and here cannot be compared by eye."""
_VERSION_PAGES = {"vllm": "/version", "text-embeddings-inference": "/info"}
"""Where an engine tells its version."""


async def probe_checks(probe: ProbeOnly, host: Host) -> list[Check]:
    """Whether the driver's files tell of the GPUs the fleet file names."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reading = await _first_reading(probe)
    except TimeoutError:
        return [Check(host.name, "probe", Grade.FAIL, f"The probe told nothing within {PROBE_SECONDS:g} s.")]
    if reading is None or not reading.gpus:
        return [
            Check(
                host.name,
                "probe",
                Grade.FAIL,
                "Its kernel shows no GPU.",
                "See that the amdgpu driver is loaded and /sys/class/kfd readable, or that nvidia-smi works.",
            )
        ]
    return list(_gpu_checks(host, reading))


async def _first_reading(probe: ProbeOnly) -> HostReading | None:
    reader = FrameReader()
    async with probe.stream(script()) as lines:
        async for line in lines:
            if frame := reader.feed(line):
                return join(frame)
    return None


def _gpu_checks(host: Host, reading: HostReading) -> Iterator[Check]:
    by_kernel = bool(reading.gpus[0].identity.gpu_id)
    how = "the amdgpu driver's own files" if by_kernel else "nvidia-smi"
    silent = [gpu.identity.hip_index for gpu in reading.gpus if gpu.used_bytes is None]
    if silent:
        yield Check(
            host.name,
            "probe",
            Grade.FAIL,
            f"Nothing tells the memory in use on GPU {', '.join(map(str, silent))}.",
            "See the kernel's log there; a GPU that hangs or is being reset says nothing.",
        )
    else:
        yield Check(host.name, "probe", Grade.OK, f"{len(reading.gpus)} GPUs are read by {how}.")
    if len(reading.gpus) != host.gpus:
        yield Check(
            host.name,
            "GPUs",
            Grade.FAIL,
            f"It has {len(reading.gpus)} GPUs where the fleet file says {host.gpus}.",
            "Correct gpus: in the fleet file, or see which GPU is missing.",
        )
    identity = reading.gpus[0].identity
    found = recognise(identity.product or "", identity.total_bytes or None)
    if found is not None and found.name != host.accelerator.name:
        yield Check(
            host.name,
            "GPUs",
            Grade.WARN,
            f"They are {found.name} where the fleet file says {host.accelerator.name}.",
            "Correct accelerator: in the fleet file.",
        )


async def log_checks(probe: ProbeOnly, host: Host, models: Sequence[Model]) -> list[Check]:
    """Whether the log of a service can be read, and by whom. Nothing where none is a unit's."""
    service = next((found for model in models if isinstance(found := _service(model, host), Systemd)), None)
    if service is None:
        return []
    if (await probe.read(service.logs(1))).stdout.strip():
        return [Check(host.name, "journal", Grade.OK, "The user we log in as may read it.")]
    join_group = "Add the user we log in as to the group systemd-journal, then log in anew."
    try:
        text = await read_log(probe, service, 1, host.become)
    except GpudeckError as error:
        return [Check(host.name, "journal", Grade.FAIL, error.message, join_group)]
    if text.strip():
        return [Check(host.name, "journal", Grade.OK, "Only root may read it, which sudo allows.")]
    return [Check(host.name, "journal", Grade.WARN, f"It shows nothing of {service.name}.", join_group)]


def _service(model: Model, host: Host) -> Service | None:
    try:
        return service_of(model, host.become)
    except UsageError:
        return None


async def engine_checks(probe: ProbeOnly, host: Host, models: Sequence[Model]) -> list[Check]:
    """Whether each enabled model's endpoint answers, and as the version the fleet file says."""
    asked = [model for model in models if model.enabled and model.url]
    results = await asyncio.gather(*(_engine_checks(probe, host, model) for model in asked))
    return [check for result in results for check in result]


async def _engine_checks(probe: ProbeOnly, host: Host, model: Model) -> list[Check]:
    word = (await Asker(probe, model).ask()).word
    if word is not EngineWord.READY:
        return [await _not_ready(probe, host, model, word)]
    said, written = await _version(probe, model), str(model.engine.version or "")
    if said and written and said != written:
        return [
            Check(
                host.name,
                model.name,
                Grade.WARN,
                f"It is {model.engine.name} {said} where the fleet file says {written}.",
                f"Write engine: {model.engine.name} {said}: estimates and refusals go by the version.",
            )
        ]
    return [
        Check(host.name, model.name, Grade.OK, f"{model.engine.name} {said or written} answers.".replace("  ", " "))
    ]


async def _not_ready(probe: ProbeOnly, host: Host, model: Model, word: EngineWord | None) -> Check:
    if word in (EngineWord.LOADING, EngineWord.BUSY):
        return Check(host.name, model.name, Grade.WARN, f"Its engine is {word} and answers later.")
    reason = f"Its engine is {word}." if word else f"Nothing that is {model.engine.name} answers at {model.url}."
    try:
        await probe.get(f"{model.url}/health")
    except EndpointError as error:
        if "forbids forwarding" in error.message:
            return Check(host.name, model.name, Grade.FAIL, error.message, error.way_out)
    return Check(
        host.name,
        model.name,
        Grade.FAIL,
        reason,
        f"See `gpudeck logs {model.name}`, and that url: in the fleet file is where it listens.",
    )


async def _version(probe: ProbeOnly, model: Model) -> str:
    """What the engine says of itself; empty where it does not."""
    page = _VERSION_PAGES.get(model.engine.name)
    try:
        answer = await probe.get(f"{model.url}{page}") if page else None
        said = json.loads(answer.body)["version"] if answer and answer.status == 200 else ""
    except (EndpointError, ValueError, KeyError, TypeError):
        return ""
    return clean(str(said), 40).partition("+")[0]


async def clock_checks(probe: ProbeOnly, host: Host) -> list[Check]:
    """Whether the host's clock agrees with ours, as far as whole seconds and the way there let us know."""
    before = time.time()
    answer = await probe.read(Read(("date", "+%s")))
    after = time.time()
    if not (answer.ok and answer.stdout.strip().isdigit()):
        return [Check(host.name, "clock", Grade.WARN, "It does not tell the time (`date +%s`).")]
    told = int(answer.stdout)
    ahead, behind = told - after, before - (told + 1)
    apart = max(ahead, behind, 0.0)
    if apart <= CLOCK_SECONDS:
        return [Check(host.name, "clock", Grade.OK, "Its clock agrees with ours.")]
    way = "ahead of" if ahead > behind else "behind"
    return [
        Check(
            host.name,
            "clock",
            Grade.WARN,
            f"Its clock is {duration(apart)} {way} ours.",
            "Have both set by NTP: logs, audit lines and events are told by them.",
        )
    ]
