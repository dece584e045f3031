"""Watching one host: its probe, its services and its models' endpoints, for as long as anybody cares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

from fleet.errors import GpudeckError, UnreachableError, UsageError
from fleet.inventory import Host
from fleet.model import Model
from fleet.readings import GpuReading, HostReading, HostSnapshot, Link, ServiceReading, ServiceWord
from fleet.services import Service
from fleet.services.cordons import parse_cordons, read_cordons
from fleet.services.holder import parse_look, who_holds
from fleet.services.registry import service_of
from fleet.services.states import parse_states, states_command
from fleet.ssh.probe_only import ProbeOnly
from fleet.ssh.streaming import Lines
from fleet.telemetry.backoff import backoff
from fleet.telemetry.engines.rounds import Rounds
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join
from fleet.telemetry.starts import Starts
from fleet.telemetry.vendor_tools import ask_vendor_tools

STALE_INTERVALS = 3
LOST_INTERVALS = 10
"""Age of the newest frame, in intervals, at which readings are stale, and at which the host is given up."""
FIRST_FRAME_SECONDS = 15.0
"""Time for the first frame: a host's login shell may be slow to come to the point."""
POLL_INTERVALS = 2
"""Services and endpoints are asked every second interval."""
TOOLS_INTERVALS = 15
"""The vendor's tools are asked every fifteenth interval, where nothing else tells of GPUs."""
HOLDER_POLLS = 5
"""Of those, who is changing the host is asked every fifth time."""
CALM_INTERVALS = 5
"""An endpoint whose engine is ready is asked again after so many intervals."""
ENDPOINTS_A_SECOND = 64
"""How many such endpoints of the whole fleet are asked; a wide fleet's are asked less often, for its frames' sake."""


class HostWatcher:
    """Publishes what is known of one host, again at every change, and comes back to a host that was lost."""

    def __init__(
        self,
        host: Host,
        models: Sequence[Model],
        connection: ProbeOnly,
        publish: Callable[[HostSnapshot], None],
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        waits: Callable[[], Iterator[float]] = backoff,
    ) -> None:
        """Nothing is asked before `run`.

        Args:
            host: The host to watch.
            models: The fleet's models; those of other hosts are left aside.
            connection: The host's connection. It stays open when the watching ends.
            publish: Called with every snapshot, from the event loop that runs `run`.
            interval: Seconds between frames.
            clock: What `HostSnapshot.read_at` is told by, in seconds.
            waits: Makes the waits, in seconds, between attempts to come back.
        """
        self._host = host
        self._connection = connection
        self._publish = publish
        self._interval = interval
        self._clock = clock
        self._waits = waits
        self._snapshot = HostSnapshot(host.name, Link.CONNECTING)
        self._starts = Starts(host, connection)
        self._frame_came = asyncio.Event()
        self._reboot = ""
        self._trouble = ""
        """What keeps us from asking for services, as a sentence."""
        self._changed_by = ""
        """Who is changing the host, as a sentence."""
        self._told_gpus: tuple[GpuReading, ...] = ()
        self._endpoints = 0
        self._watched: tuple[Model, ...] = ()
        self._services: dict[str, Service] = {}
        self.watch(models)

    def watch(self, models: Sequence[Model]) -> None:
        """Watch these models instead: those placed on this host, and every disabled one, in case it runs here."""
        self._watched = tuple(
            model
            for model in models
            if not model.enabled or (model.place is not None and model.place.host == self._host.name)
        )
        self._endpoints = sum(model.url is not None for model in models)
        services = ((model.name, self._service(model)) for model in self._watched)
        self._services = {name: service for name, service in services if service is not None}

    async def run(self) -> None:
        """Watch for ever. Whatever the host does is published as its link and a reason; nothing of it is raised."""
        self._show()
        waits, wait = self._waits(), 0.0
        while True:
            came, reason = self._clock(), ""
            try:
                await self._visit()
            except* UnreachableError as lost:
                reason = str(lost.exceptions[0])
            if _cancelled():  # a group that ends with an error drops the cancellation that came meanwhile
                raise asyncio.CancelledError
            self._show(link=Link.UNREACHABLE if self._snapshot.reading is None else Link.LOST, reason=reason)
            if (self._snapshot.read_at or came) - came > wait:  # it was worth coming back
                waits = self._waits()
            wait = next(waits)
            await asyncio.sleep(wait)

    async def _visit(self) -> None:
        """Watch until the host is lost. Always ends with UnreachableError."""
        async with self._connection.stream(script()) as lines, asyncio.TaskGroup() as tasks:
            self._frame_came.clear()
            # what was asked before the host was lost may not be so any more
            self._snapshot = replace(self._snapshot, services={}, engines={})
            tasks.create_task(self._pace(lines))
            tasks.create_task(self._ask_tools())
            calm = max(CALM_INTERVALS * self._interval, self._endpoints / ENDPOINTS_A_SECOND)
            tasks.create_task(self._poll(Rounds(self._connection, calm), tasks))
            await self._read_frames(lines)

    async def _read_frames(self, lines: Lines) -> None:
        reader = FrameReader()
        async for line in lines:
            if frame := reader.feed(line):
                self._take(self._with_told_gpus(join(frame)))
            elif reader.flooded:
                raise UnreachableError(f"{self._host.name} prints more than any probe would.")
        raise UnreachableError(f"The probe on {self._host.name} ended with status {lines.exit_status}.")

    def _with_told_gpus(self, reading: HostReading) -> HostReading:
        """The reading with the GPUs that the vendor's tools tell of, where the kernel's files show none."""
        return replace(reading, gpus=self._told_gpus) if self._told_gpus and not reading.gpus else reading

    async def _ask_tools(self) -> None:
        """Ask the vendor's tools now and then, as long as frames show no GPU: they take seconds, and may hang."""
        self._told_gpus = ()
        await self._frame_came.wait()
        while True:
            if self._snapshot.reading and self._snapshot.reading.gpus == self._told_gpus:
                self._told_gpus = await ask_vendor_tools(self._connection)
            await asyncio.sleep(TOOLS_INTERVALS * self._interval)

    def _take(self, reading: HostReading) -> None:
        before = self._snapshot.reading
        if before is not None and before.boot_id != reading.boot_id:
            self._reboot = f"{self._host.name} was rebooted while it was watched."
        reading = reading.known_as(self._names(self._snapshot.services))
        self._show(link=Link.LIVE, reason="", read_at=self._clock(), reading=reading)
        self._frame_came.set()

    async def _pace(self, lines: Lines) -> None:
        """Ask for a frame at every interval, never before the last one came, and say when none comes."""
        loop = asyncio.get_running_loop()
        if not await self._frame_by(loop.time() + FIRST_FRAME_SECONDS):
            raise UnreachableError(f"{self._host.name} gave no reading within {FIRST_FRAME_SECONDS:g} s.")
        while True:
            came = loop.time()
            await asyncio.sleep(self._interval)
            self._frame_came.clear()
            lines.send()
            if not await self._frame_by(came + STALE_INTERVALS * self._interval):
                self._show(link=Link.STALE, reason=f"{self._host.name} is slow to answer.")
                if not await self._frame_by(came + LOST_INTERVALS * self._interval):
                    seconds = LOST_INTERVALS * self._interval
                    raise UnreachableError(f"{self._host.name} has given no reading for {seconds:g} s.")

    async def _frame_by(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                await self._frame_came.wait()
        except TimeoutError:
            return False
        return True

    async def _poll(self, rounds: Rounds, tasks: asyncio.TaskGroup) -> None:
        """Ask for services, then endpoints and logs of starts, again and again; the slow do not hold up the first."""
        reading = None
        for turn in count():
            if turn % HOLDER_POLLS == 0:
                await self._ask_who_changes_it()
            await self._ask_services()
            tasks.create_task(self._ask_engines(rounds, tasks))
            if reading is None or reading.done():
                reading = tasks.create_task(self._read_starts())
            await asyncio.sleep(POLL_INTERVALS * self._interval)

    async def _ask_services(self) -> None:
        services = {service.name: service for service in self._services.values()}
        if not services:
            return
        wanted = tuple(services.values())
        try:
            states = parse_states(wanted, await self._connection.read(states_command(wanted)))
            self._trouble = ""
        except GpudeckError as error:  # the host is alive as long as its frames come; its services are unknown
            states = {}
            self._trouble = f"The services of {self._host.name} are not known: {error}"
        found = {name: states[service.name] for name, service in self._services.items() if service.name in states}
        reading = self._snapshot.reading
        self._show(services=found, reading=reading and reading.known_as(self._names(found)))

    def _names(self, services: Mapping[str, ServiceReading]) -> dict[str, str]:
        """The services' names, by what their processes show instead."""
        return {
            shown: self._services[model].name
            for model, state in services.items()
            if model in self._services
            for shown in state.runs_as
        }

    async def _ask_who_changes_it(self) -> None:
        """And on which GPUs nothing new is placed: whoever has read its services knows both."""
        with suppress(GpudeckError):  # the frames tell whether the host is lost
            answer = await self._connection.read(who_holds(self._host.become))
            holder, uptime = parse_look(answer.stdout)
            self._changed_by = holder.sentence(self._host.name, uptime) if holder and uptime is not None else ""
            answer = await self._connection.read(read_cordons(self._host.become))
            self._show(cordons=parse_cordons(answer.stdout) if answer.ok else {})

    async def _ask_engines(self, rounds: Rounds, tasks: asyncio.TaskGroup) -> None:
        asked = tuple(model for model in self._watched if self._may_answer(model))
        async for readings in rounds.ask(asked, tasks):
            self._show(engines=readings)

    def _may_answer(self, model: Model) -> bool:
        if model.url is None:
            return False
        if model.name not in self._services:
            return model.enabled
        state = self._snapshot.services.get(model.name)
        return state is not None and state.word is ServiceWord.ACTIVE

    async def _read_starts(self) -> None:
        try:
            news = await self._starts.refresh(self._watched, self._services, self._snapshot)
        except UnreachableError:  # the frames tell whether the host is lost
            return
        if news:
            reading = self._snapshot.reading
            self._show(starts=self._starts.came_up(reading), failures=self._starts.failed(reading))

    def _service(self, model: Model) -> Service | None:
        try:
            return service_of(model, self._host.become)
        except UsageError:  # managed by something we cannot ask; its memory and its endpoint still show it
            return None

    def _show(self, **news: Any) -> None:
        """Publish what is known with this news in it."""
        told = (self._changed_by, self._reboot, self._trouble, *self._connection.remarks)
        self._snapshot = replace(self._snapshot, remarks=tuple(filter(None, told)), **news)
        self._publish(self._snapshot)


def _cancelled() -> bool:
    """Whether somebody wants the running task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
