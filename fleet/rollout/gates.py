"""What must be seen of a host before a step counts as done. Pure: each gate is fed snapshots and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.model import GpuId
from fleet.planning.plan import Step
from fleet.readings import GpuReading, HostReading, HostSnapshot, Link, ServiceReading, ServiceWord
from fleet.units import GiB, gib_text

SETTLED_FRAMES = 3
"""Readings in a row in which the memory hardly moves."""
SETTLED_BYTES = GiB // 4
TOLERANCE = 0.05
"""Of the estimate's range, on either side; at least half a GiB."""
UNRETURNED_BYTES = GiB
"""What a GPU may hold more of no process than before: the driver's own grows a little with use."""
_LOOPS = "its process ended and was started again"
STRAY_BYTES = GiB // 2
"""What a process may hold on a GPU not meant for it: a runtime's context, where it opens every GPU it sees."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A gate's answer to one snapshot."""

    done: bool = False
    failure: str = ""
    """Why it cannot be done any more; empty while it can."""
    loops: bool = False
    """Whether its manager starts it again and again, and so whether it must be stopped."""
    waiting_for: str = ""
    remark: str = ""
    """Worth telling though it is done."""

    @property
    def decided(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.done or bool(self.failure)


class Drained:
    """Done when the model serves no request."""

    def __init__(self, step: Step) -> None:
        self._model = step.model

    def see(self, snapshot: HostSnapshot) -> Seen:
        """Look at one snapshot."""
        engine = snapshot.engines.get(self._model)
        left = (engine.running or 0) + (engine.waiting or 0) if engine else 0
        return Seen(done=left == 0, waiting_for=f"{left} request{'s' if left != 1 else ''}")


class Stopped:
    """Done when the service has stopped and the driver has its memory back, that of no process too."""

    def __init__(self, step: Step, before: HostReading | None = None) -> None:
        """A gate for a stop step; ``before`` is the host as it was read before the rollout."""
        self._step = step
        self._before = before

    def see(self, snapshot: HostSnapshot) -> Seen:
        """Look at one snapshot."""
        service = snapshot.services.get(self._step.model)
        if snapshot.link is not Link.LIVE or snapshot.reading is None or service is None:
            return Seen(waiting_for="a reading of the host")
        if service.word not in (ServiceWord.STOPPED, ServiceWord.FAILED):
            return Seen(waiting_for="the service to stop")
        held = sum(snapshot.reading.held_by(self._step.service).values())
        left = held or max((size for _, size in unreturned(self._step, snapshot.reading, self._before)), default=0)
        return Seen(done=left == 0, waiting_for=f"the driver to take back {gib_text(left)}")


class Startable:
    """Done when the step's GPUs are fit for a start: none is resetting, lost memory, or has not returned some."""

    def __init__(self, step: Step, before: HostReading | None) -> None:
        """A gate for a start step; ``before`` is the host as it was read before the rollout."""
        self._step = step
        self._before = before

    def see(self, snapshot: HostSnapshot) -> Seen:
        """Look at one snapshot."""
        reading = snapshot.reading
        if snapshot.link is not Link.LIVE or reading is None:
            return Seen(waiting_for="a reading of the host")
        for gpu in self._step.gpus:
            now, before = reading.gpu(gpu.index), self._before.gpu(gpu.index) if self._before else None
            if now is not None and _uncorrected(now) > _uncorrected(before or now):
                return Seen(failure=f"{gpu} has had memory errors since, so nothing is started on it")
            if now is not None and now.resetting:
                return Seen(waiting_for=f"{gpu}, which is resetting")
        for gpu, size in unreturned(self._step, reading, self._before):
            return Seen(waiting_for=f"the driver to take back {gib_text(size)} on {gpu} that no process holds")
        return Seen(done=True)


def unreturned(step: Step, reading: HostReading, before: HostReading | None) -> list[tuple[GpuId, int]]:
    """The step's GPUs that hold memory of no process, more than they did before, and how much more, in bytes."""
    found = []
    for gpu in step.gpus:
        now, then = _unheld(reading, gpu.index), _unheld(before, gpu.index)
        if now is not None and then is not None and now - then > UNRETURNED_BYTES:
            found.append((gpu, now - then))
    return found


def _unheld(reading: HostReading | None, index: int) -> int | None:
    gpu = reading.gpu(index) if reading else None
    if reading is None or reading.exporter or gpu is None or gpu.used_bytes is None:
        return None
    return max(0, gpu.used_bytes - sum(process.on(gpu.identity.pci) for process in reading.processes))


def _uncorrected(gpu: GpuReading) -> int:
    errors = gpu.errors
    return (errors.uncorrected or 0) + (errors.deferred or 0) if errors else 0


class Serving:
    """Done when the model serves, on the GPUs meant for it and no other, and its memory has settled."""

    def __init__(self, step: Step, before: ServiceReading | None) -> None:
        """A gate for a wait step; ``before`` is how its service stood just before the start."""
        self._step = step
        self._before = before
        self._restarts = before.restarts if before else 0
        self._down: Mapping[str, ServiceReading] | None = None
        self._calm = 0
        self._last: dict[int, int] = {}

    def see(self, snapshot: HostSnapshot) -> Seen:
        """Look at one snapshot."""
        service = snapshot.services.get(self._step.model)
        reading = snapshot.reading
        if snapshot.link is not Link.LIVE or reading is None or service is None:
            return Seen(waiting_for="a reading of the host")
        ended = self._ended(service, snapshot.services)
        if ended:
            return Seen(failure=ended, loops=ended == _LOOPS)
        held = reading.held_by(self._step.service)
        self._watch_memory(held)
        if service.word is not ServiceWord.ACTIVE:
            return Seen(waiting_for="the service to start")
        wrong = self._elsewhere(reading, held)
        if wrong:
            return Seen(failure=f"it runs on GPU {', '.join(map(str, wrong))}, which is not where it was placed")
        if not held:
            return Seen(waiting_for="memory to be taken")
        engine = snapshot.engines.get(self._step.model)
        if self._step.asks_health and not (engine and engine.healthy):
            return Seen(waiting_for=f"its endpoint to answer; it holds {gib_text(sum(held.values()))}")
        if self._calm < SETTLED_FRAMES:
            return Seen(waiting_for="its memory to settle")
        return self._judge(held)

    def _ended(self, service: ServiceReading, services: Mapping[str, ServiceReading]) -> str:
        """How its process ended; empty while it runs, or may yet."""
        waits_to_restart = service.word is ServiceWord.STARTING and service.result not in ("", "success")
        if service.restarts > self._restarts or waits_to_restart:
            return _LOOPS
        self._restarts = service.restarts  # the manager counts anew after a start by hand
        if service.word not in (ServiceWord.FAILED, ServiceWord.STOPPED):
            return ""
        self._down = self._down or services
        as_before = service.word is ServiceWord.STOPPED or (self._before and service.word is self._before.word)
        if as_before and services is self._down:
            return ""  # asked before the start, perhaps; the next answer decides
        if service.word is ServiceWord.STOPPED:
            return "its process ended by itself"
        return f"its service failed ({service.result or 'no reason given'})"

    def _elsewhere(self, reading: HostReading, held: dict[int, int]) -> list[int]:
        """HIP indices of the GPUs where it holds memory though it was placed on others."""
        meant = {expect.pci for expect in self._step.expects}
        if not meant:
            meant = {g.identity.pci for gpu in self._step.gpus if (g := reading.gpu(gpu.index))}
        pci = {gpu.identity.hip_index: gpu.identity.pci for gpu in reading.gpus}
        return [index for index, size in held.items() if size > STRAY_BYTES and pci[index] not in meant]

    def _watch_memory(self, held: dict[int, int]) -> None:
        moved = max((abs(held.get(i, 0) - self._last.get(i, 0)) for i in {*held, *self._last}), default=0)
        self._calm = 0 if moved > SETTLED_BYTES else self._calm + 1
        self._last = held

    def _judge(self, held: dict[int, int]) -> Seen:
        """It serves. Memory on the wrong GPU is a failure; more or less than reckoned is worth a remark."""
        for expect in self._step.expects:
            size = held.get(expect.gpu.index, 0)
            slack = max(GiB // 2, round(TOLERANCE * expect.high_bytes))
            if size == 0:
                return Seen(failure=f"it holds nothing on {expect.gpu}, where it was placed")
            if not expect.low_bytes - slack <= size <= expect.high_bytes + slack:
                reckoned = f"{gib_text(expect.low_bytes)} to {gib_text(expect.high_bytes)}"
                return Seen(done=True, remark=f"it holds {gib_text(size)} on {expect.gpu}; {reckoned} were expected")
        return Seen(done=True)
