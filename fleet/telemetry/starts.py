"""Reading what models said when they started: once for each start, over the host's own connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from fleet.calibration.company import HERTZ, LOADING_SECONDS, Occupant, company
from fleet.calibration.reading import last_complete, read_starts, speaks
from fleet.errors import GpudeckError, UnreachableError
from fleet.estimate.estimating import charges_neighbours
from fleet.inventory import Host
from fleet.model import Arguments, Model, Scalar
from fleet.readings import HostReading, HostSnapshot, ServiceReading, ServiceWord
from fleet.secrets import is_secret
from fleet.services import Service
from fleet.services.serve_line import Served, read
from fleet.services.start_log import command_line, parse_command_line, parse_plan, plan_file, start_log
from fleet.ssh.probe_only import ProbeOnly
from fleet.startup import Ending, ModelStart, Startup
from fleet.text import clean

_TRIES = 6
"""How often a log that has not come to its end is read again; the last time after a minute or two."""
_ARGUMENTS = 200
_CHARACTERS = 400
"""What is kept of a command line, and of one argument's text."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A start as it was read, before it is known who was there with it."""

    model: Model
    start: ModelStart
    occupant: Occupant


class Starts:
    """The starts of one host's models: what was read, and what is still to be."""

    def __init__(self, host: Host, connection: ProbeOnly) -> None:
        self._host = host
        self._connection = connection
        self._seen: dict[str, str] = {}
        self._done: dict[str, str] = {}
        """The run of each model that was seen last, and the one that was read last, by name."""
        self._tries: dict[str, int] = {}
        """How often the log of a model's run was read and had not come to its end yet."""
        self._looks = 0
        self._came_up: dict[str, _Read] = {}
        self._failed: dict[str, _Read] = {}

    async def refresh(self, models: Sequence[Model], services: Mapping[str, Service], seen: HostSnapshot) -> bool:
        """Read the starts that ended since the last time; whether there were any.

        One after the other, so that a host is not asked for many logs at once. Raises UnreachableError.
        """
        news = False
        self._looks += 1
        for model in models:
            reading, service = seen.services.get(model.name), services.get(model.name)
            if reading is None or service is None or not reading.invocation:
                continue
            former, self._seen[model.name] = self._seen.get(model.name, reading.invocation), reading.invocation
            if former != reading.invocation and self._done.get(model.name) != former:
                gone = ServiceReading(ServiceWord.FAILED, invocation=former)  # a crash that was restarted at once
                news |= await self._read(model, service, gone, seen.reading)
            unread = self._done.get(model.name) != reading.invocation
            if unread and _has_ended(model, reading, seen) and self._looks % 2 ** self._tries.get(model.name, 0) == 0:
                news |= await self._read(model, service, reading, seen.reading)
        return news

    def came_up(self, reading: HostReading | None) -> dict[str, ModelStart]:
        """The newest start of each model that came up, by name, each with the company it had."""
        return self._told(self._came_up, reading)

    def failed(self, reading: HostReading | None) -> dict[str, ModelStart]:
        """The newest of each model, where that did not."""
        return self._told(self._failed, reading)

    def _told(self, starts: Mapping[str, _Read], reading: HostReading | None) -> dict[str, ModelStart]:
        everybody = {name: each.occupant for name, each in (self._failed | self._came_up).items()}
        found = {}
        for name, each in starts.items():
            counts = charges_neighbours(each.model, self._host.accelerator)
            who = company(name, everybody | {name: each.occupant}, reading, counts_neighbours=counts)
            found[name] = replace(each.start, company=clean(who, 120))
        return found

    async def _read(self, model: Model, service: Service, reading: ServiceReading, host: HostReading | None) -> bool:
        """Read one run; whether it tells anything. Raises UnreachableError.

        A log that has not come to its end is read again, ever more seldom: an endpoint may answer for a former run.
        """
        try:
            served = await self._served(service, reading)
            startup = await self._startup(model, service, reading)
            next_cache = await self._next_cache(startup)
        except UnreachableError:
            raise
        except GpudeckError:  # its unit, its log or its command line is nothing we can read
            served = None
        tries = self._tries.get(model.name, 0)
        if served and startup.ending is Ending.UNFINISHED and speaks(model.engine.name) and tries < _TRIES:
            self._tries[model.name] = tries + 1
            return False
        self._tries.pop(model.name, None)
        self._done[model.name] = reading.invocation
        if served is None or model.place is None:
            return False
        owner = model.service or service.name
        held = host.held_by(owner) if host else {}
        gpus = tuple(sorted(held)) or model.place.gpus
        start = ModelStart(
            startup,
            _kept(served.args),
            clean(served.source),
            self._host.accelerator.name,
            _totals(host, gpus),
            reading.invocation,
            next_cache,
        )
        read_ = _Read(model, start, Occupant(startup, frozenset(gpus), owner))
        if startup.ending in (Ending.REFUSED, Ending.OOM):
            self._failed[model.name] = read_
        else:
            self._came_up[model.name] = read_
            self._failed.pop(model.name, None)
        return True

    async def _startup(self, model: Model, service: Service, reading: ServiceReading) -> Startup:
        starts = read_starts(model.engine.name, await self._log(service, reading.invocation))
        nothing = Startup(model.engine.name, Ending.UNFINISHED)
        return last_complete(starts) or (starts[-1] if starts else nothing)

    async def _log(self, service: Service, invocation: str) -> str:
        """The first lines of a run; as root where a user who may not read the journal is shown none of it."""
        for become in ("none", self._host.become):
            command = start_log(service, invocation, become)
            log = (await self._connection.read(command)).stdout if command else ""
            if log.strip():
                return log
        return ""

    async def _next_cache(self, startup: Startup) -> int | None:
        command = plan_file(startup.plan_path)
        return parse_plan(await self._connection.read(command)) if command else None

    async def _served(self, service: Service, reading: ServiceReading) -> Served:
        """What its command line serves: of the process, and of the unit where that is gone or tells nothing.

        Raises GpudeckError where neither serves a model.
        """
        if reading.main_pid:
            words = parse_command_line(await self._connection.read(command_line(reading.main_pid)))
            try:
                return read(words)
            except UnreachableError:
                raise
            except GpudeckError:
                pass
        definition = service.parse_definition(await self._connection.read(service.definition()))
        return read(definition.overlaid_argv or definition.argv)


def _has_ended(model: Model, reading: ServiceReading, seen: HostSnapshot) -> bool:
    """Whether a start has come to its end, so that its log has all that it will have."""
    if reading.word is ServiceWord.FAILED:
        return True
    if reading.word is not ServiceWord.ACTIVE or seen.reading is None:
        return False
    engine = seen.engines.get(model.name)
    if model.url is not None:
        return engine is not None and engine.healthy is True
    since = [process.start_ticks / HERTZ for process in seen.reading.processes if process.owner == model.service]
    return bool(since) and seen.reading.uptime_seconds - min(since) > LOADING_SECONDS


def _totals(host: HostReading | None, gpus: Iterable[int]) -> tuple[int, ...]:
    found = [gpu.identity.total_bytes for index in gpus if host and (gpu := host.gpu(index))]
    return tuple(found) if all(found) else ()


def _kept(args: Arguments) -> Arguments:
    """Its arguments made harmless, without those that are secrets."""

    def harmless(value: Scalar) -> Scalar:
        return clean(value, _CHARACTERS) if isinstance(value, str) else value

    return Arguments(
        (clean(flag, 80), harmless(value)) for flag, value in islice(args.items(), _ARGUMENTS) if not is_secret(flag)
    )
