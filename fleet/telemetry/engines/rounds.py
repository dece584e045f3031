"""Asking many endpoints of one host at once, so that one that takes its time holds up none of the others."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable

from fleet.errors import UnreachableError
from fleet.model import Model
from fleet.readings import EngineReading, EngineWord
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.engines.asking import Asker

PATIENCE_SECONDS = 0.5
"""Answers that come within this time of a round's start are told together."""


class Rounds:
    """What the endpoints of a host's models said last."""

    def __init__(self, connection: ProbeOnly, calm: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet.

        Args:
            connection: The host's.
            calm: About how many seconds an engine that is ready is left alone: each answer costs it some milliseconds,
                and most write a line of log for it.
            clock: Monotonic seconds.
        """
        self._connection = connection
        self._calm = calm
        self._clock = clock
        self._chance = random.Random()
        self._askers: dict[str, tuple[Model, Asker]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._readings: dict[str, EngineReading] = {}
        self._due: dict[str, float] = {}

    async def ask(self, models: Iterable[Model], tasks: asyncio.TaskGroup) -> AsyncIterator[dict[str, EngineReading]]:
        """Ask each endpoint that is due and not still being asked, and yield all readings by model name.

        First with all that were quick, then again with each that comes late; not at all where there is nothing new.
        What another model said is forgotten.
        """
        wanted = {model.name: model for model in models}
        forgotten = [name for name, (model, _) in self._askers.items() if wanted.get(name) != model]
        for name in forgotten:
            self._forget(name)
        now = self._clock()
        due = [name for name in wanted if name not in self._asking and self._due.get(name, now) <= now]
        waiting = {self._started(wanted[name], tasks) for name in due}
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=PATIENCE_SECONDS)
        if due or forgotten:
            yield dict(self._readings)
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            yield dict(self._readings)

    def _started(self, model: Model, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        if model.name not in self._askers:
            self._askers[model.name] = model, Asker(self._connection, model)
        task = tasks.create_task(self._ask(model.name, self._askers[model.name][1]))
        self._asking[model.name] = task
        task.add_done_callback(lambda _: self._ended(model.name, task))
        return task

    async def _ask(self, name: str, asker: Asker) -> None:
        began = self._clock()
        try:
            reading = await asker.ask()
        except UnreachableError:  # who watches the host hears of it from its probe
            reading = EngineReading()
        self._readings[name] = reading
        # chance spreads out what was first asked all at once
        calm = self._calm * self._chance.uniform(0.8, 1.2) if reading.word is EngineWord.READY else 0.0
        self._due[name] = began + calm

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._asking.get(name) is task:
            del self._asking[name]

    def _forget(self, name: str) -> None:
        del self._askers[name]
        self._readings.pop(name, None)
        self._due.pop(name, None)
        if name in self._asking:
            self._asking.pop(name).cancel()
