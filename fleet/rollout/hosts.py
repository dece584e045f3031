"""The hosts of one rollout: locked for it, told of each step, and running the steps' commands by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

from fleet.commands import Writer
from fleet.errors import GpudeckError, UnreachableError
from fleet.planning.plan import Plan, Step
from fleet.rollout.audit import audit
from fleet.rollout.journal import Journal
from fleet.rollout.lock import HostLock, kept
from fleet.rollout.on_host import Left, OnHost, Told
from fleet.rollout.resuming import Settled, settled
from fleet.rollout.watching import Watching, read_anew
from fleet.services.holder import Holder


class Hosts:
    """Every host of a plan, to ourselves from `lock` to `leave`."""

    def __init__(
        self,
        plan: Plan,
        operators: Mapping[str, Writer],
        board: Watching,
        journal: Journal,
        operator: str,
        clock: Callable[[], float],
    ) -> None:
        """Nothing is locked yet; ``clock`` gives Unix seconds."""
        self._plan = plan
        self._operators = operators
        self._board = board
        self._journal = journal
        self._operator = operator
        self._clock = clock
        self._becomes = {former.host: former.become for former in plan.formers}
        self._running = {host: OnHost(host, operators[host], board, self._becomes[host]) for host in plan.hosts}
        self._locks: list[HostLock] = []
        self.under_way: Step | None = None
        """The step whose commands a host may be at."""

    async def lock(self, rollout: int, take_over: str) -> None:
        """Have all of them, or none; a lock of that operator's may be taken. Raises GpudeckError."""
        what = ", ".join(dict.fromkeys(step.model for step in self._plan.steps))
        token, steps = self._journal.token(rollout), len(self._plan.steps)
        holder = Holder(token, self._operator, what, self._clock(), steps=steps)
        try:
            for host in sorted(self._plan.hosts):
                lock = HostLock(host, self._operators[host], self._becomes[host], holder)
                self._locks.append(lock)
                await lock.acquire(take_over)
        except (GpudeckError, asyncio.CancelledError):
            await self._unlock()
            raise

    async def leave(self, rollout: int) -> None:
        """Leave them to others, and nothing of ours on them."""
        ids: dict[str, list[str]] = {}
        for touch in self._journal.touches(rollout):
            ids.setdefault(touch.host, []).append(self._journal.step_id(rollout, touch.id))
        for host, begun_there in ids.items():
            with suppress(UnreachableError):
                await self._running[host].forget(begun_there)
        await self._unlock()

    async def tell(self, rollout: int, step: Step, told: Told) -> None:
        """Say in the host's lock how far we are and, where the step touches the host, who does it in its log.

        Raises LockLostError, UnreachableError.
        """
        self.under_way = None
        host = self._running[step.host]
        await host.patiently(partial(self._lock_of(step).renew, step), told)
        if step.commands:
            command = audit(self._operator, self._journal.token(rollout), step, self._plan)
            await host.patiently(partial(self._operators[step.host].write, command), told)

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Their locks, renewed inside the block."""
        return kept(self._locks)

    async def run(self, rollout: int, touch: int, step: Step, told: Told, left: Left) -> None:
        """Have its host run a step's commands, and wait for their end: `fleet.rollout.on_host.OnHost.run`."""
        if step.commands:
            self.under_way = step
            id = self._journal.step_id(rollout, touch)
            await self._running[step.host].run(id, step.commands, self._lock_of(step), told, left)
            self.under_way = None

    def rest(self, step: Step) -> None:
        """The step has ended: nothing of it is at work on its host any more."""
        self.under_way = None
        self._lock_of(step).rest()

    async def settle(self, rollout: int, told: Told, left: Left) -> Settled | None:
        """Wait for the end of the step that was under way when its console ended, and put that into the journal.

        By then its host was read anew. None where there was none. Raises UnreachableError.
        """
        touch = next(reversed(self._journal.touches(rollout)), None)
        if touch is None or touch.outcome is not None:
            return None
        id = self._journal.step_id(rollout, touch.id)
        how = settled(touch, await self._running[touch.host].outcome(id, told, left))
        self._journal.touched(touch.id, how.outcome, how.sentence)
        await read_anew(self._board, touch.host)
        return how

    def _lock_of(self, step: Step) -> HostLock:
        return next(lock for lock in self._locks if lock.host == step.host)

    async def _unlock(self) -> None:
        for lock in self._locks:
            with suppress(GpudeckError):  # it expires
                await lock.release()
