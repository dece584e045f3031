"""One operator at a time: a folder on each host that only one rollout can have, and in it who has it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from fleet.commands import Write, Writer
from fleet.errors import GpudeckError
from fleet.planning.plan import Step
from fleet.services.holder import EXPIRES_SECONDS, STEP_SECONDS, Holder, folder, holder_text, look, parse_look
from fleet.text import clean
from fleet.units import duration

RENEW_SECONDS = 60.0
"""How often it is renewed by whoever has it, in a step and between two."""


class LockedError(GpudeckError):
    """Another operator is changing the host."""

    title = "Host is being changed"


class LockLostError(GpudeckError):
    """The lock is no longer ours."""

    title = "Host was taken over"


class HostLock:
    """The lock of one host, for one rollout."""

    def __init__(self, host: str, connection: Writer, become: str, holder: Holder) -> None:
        """Nothing is locked yet."""
        self.host = host
        self._connection = connection
        self._become = become
        self._holder = holder
        self._uptime = 0.0
        """The host's own when its lock was last looked at, in seconds."""
        self._folder = folder(become)
        self._own = f"{self._folder}.{holder.token}"
        self._saying = asyncio.Lock()

    async def acquire(self, take_over: str = "") -> None:
        """Have the host to ourselves.

        A folder made beside it and full already is renamed to the lock's name, which fails where that is taken: so of
        two that try, one succeeds, and a lock always says whose it is.

        Raises:
            LockedError: Another has it, and it is neither expired nor held by ``take_over``.
            GpudeckError: It cannot be made, or the other's cannot be removed.
            UnreachableError: The host is lost.
        """
        await self._stage()
        try:
            for _ in range(2):
                refused = await self._do("mv", "-T", self._own, self._folder)
                if refused is None:
                    return
                other = await self._read(self._folder)
                if other is None:
                    raise GpudeckError(
                        f"{self.host} cannot be locked: {refused}. Who has it cannot be read.", self._removal
                    )
                if other.token == self._holder.token:
                    self._holder = replace(self._holder, step=other.step, doing=other.doing, touching=other.touching)
                    await self._write(self._folder)
                    return
                self._check(other, take_over)
                await self._evict(other)
            raise LockedError(f"{self.host} was locked by another at the same moment.", "Try again.")
        finally:
            await self._do("rm", "-rf", self._own)

    @property
    def holder(self) -> Holder:
        """Who we are, and how far we are."""
        return self._holder

    async def renew(self, step: Step) -> None:
        """Say how far we are, and that we live. Raises LockLostError, UnreachableError."""
        await self._say(step=step.n, doing=f"{step.action} {step.model}", touching=bool(step.commands))

    def rest(self) -> None:
        """No step of ours is at work there any more: so it is said when the lock is next kept."""
        self._holder = replace(self._holder, touching=False)

    async def keep(self) -> None:
        """Say that we live. Raises LockLostError, UnreachableError."""
        await self._say()

    async def _say(self, **news: Any) -> None:
        async with self._saying:
            other = await self._read(self._folder) or await self._read(self._folder)  # a file being written is empty
            if other is None or other.token != self._holder.token:
                raise self.lost(other)
            self._holder = replace(self._holder, **news)
            await self._write(self._folder)

    def lost(self, other: Holder | None) -> LockLostError:
        """The error to raise where we do not have the host any more, but that other one, if anybody."""
        how = (
            f"was taken over by {other.who}"
            if other
            else "is not ours any more: its lock was removed, or it came up anew"
        )
        return LockLostError(f"{self.host} {how}. Nothing more is done to it.", "See how it stands, then resume.")

    async def release(self) -> None:
        """Leave the host to others, if it is still ours. Raises UnreachableError."""
        other = await self._read(self._folder)
        if other is not None and other.token == self._holder.token:
            await self._do("rm", "-rf", self._folder)

    def _check(self, other: Holder, take_over: str) -> None:
        """Raises LockedError where the other's lock may not be taken."""
        if other.is_expired(self._uptime):
            return
        age, takes = other.age(self._uptime), f"--take-over {shlex.quote(other.who)}"
        heard = f"last heard of {duration(age)} ago"
        expires = f"{duration(EXPIRES_SECONDS - age)} from now its lock expires"
        if other.may_be_at_work(self._uptime):
            raise LockedError(
                f"{self.host} is being changed by {other.who}, in the middle of {other.step_words}, {heard}.",
                f"Wait until it has ended. Unless it is heard of again, {takes} takes the host over "
                f"{duration(STEP_SECONDS - age)} from now, and {expires}.",
            )
        if take_over != other.who:
            raise LockedError(
                f"{self.host} is being changed by {other.words}, {heard}.",
                f"Add {takes} to take it over now; unless it is heard of again, {expires}.",
            )

    async def _evict(self, other: Holder) -> None:
        """Of several who try at once, one succeeds in renaming it; what turns out to be another's is put back.

        Raises GpudeckError where the host does not let us.
        """
        taken = f"{self._own}.taken"
        refused = await self._do("mv", "-T", self._folder, taken)
        if refused is not None:
            left = await self._read(self._folder)
            if left is not None and left.token == other.token:
                said = f"{self.host} is locked by {other.words}, last heard of {duration(other.age(self._uptime))} ago"
                raise GpudeckError(f"{said}, and that lock cannot be taken: {refused}.", self._removal)
            return
        found = await self._read(taken)
        if found is None or found.token == other.token:
            await self._do("rm", "-rf", taken)
        else:
            await self._do("mv", "-T", taken, self._folder)

    @property
    def _removal(self) -> str:
        """What helps where we cannot help ourselves."""
        return f"If nobody is changing it, remove it there as root: `rm -r {self._folder}`."

    async def _stage(self) -> None:
        await self._read(self._folder)
        await self._do("rm", "-rf", self._own)
        refused = await self._do("mkdir", self._own) or await self._write(self._own)
        if refused:
            raise GpudeckError(f"{self.host} cannot be locked: {refused}.")

    async def _write(self, place: str) -> str | None:
        self._holder = replace(self._holder, uptime=self._uptime)
        return await self._do("tee", f"{place}/holder", stdin=holder_text(self._holder).encode())

    async def _read(self, place: str) -> Holder | None:
        """Who has it."""
        holder, uptime = parse_look((await self._connection.read(look(place))).stdout)
        if uptime is None:
            raise GpudeckError(f"{self.host} does not tell its uptime, without which no lock is kept there.")
        self._uptime = uptime
        return holder

    async def _do(self, *words: str, stdin: bytes = b"") -> str | None:
        """Why the host refused; None where it did it."""
        answer = await self._connection.write(Write(words, stdin).as_root(self._become))
        return None if answer.ok else clean(answer.stderr).rstrip(".") or f"status {answer.exit_status}"


@asynccontextmanager
async def kept(locks: Sequence[HostLock]) -> AsyncIterator[None]:
    """Renew locks every `RENEW_SECONDS` inside the block. Where one cannot be, its next step finds out."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for lock in locks:
                with suppress(GpudeckError):
                    await lock.keep()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
