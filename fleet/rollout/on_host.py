"""Having a step's commands run on their host by themselves, and learning how that went, over a line that may be cut."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from fleet.commands import Write, Writer
from fleet.errors import GpudeckError, UnreachableError
from fleet.readings import HostSnapshot, Link
from fleet.rollout.lock import HostLock
from fleet.rollout.stepping import StepError
from fleet.rollout.watching import Watching
from fleet.secrets import masked
from fleet.services.detached import Progress, State, follow, forget, launch, parse_progress, why_failed
from fleet.text import clean

STEP_SECONDS = 600
"""How long a step's commands are waited for; a start that returns when its model serves takes longest."""
FOLLOW_SECONDS = 20
"""How long one question after a step waits on the host for its end."""
LINE_SECONDS = 120.0
"""How long a host may be unreachable until nobody waits for it any more."""
CUTS = 10
"""How often the line may be cut while one question is asked."""
_LAUNCHES = 3
_T = TypeVar("_T")
Told = Callable[[str], None]
Left = Callable[[], bool]


class OnHost:
    """What runs on one host by itself: begun, waited for, and found again by its id."""

    def __init__(self, host: str, connection: Writer, board: Watching, become: str) -> None:
        """Over a connection that may be lost and come back, and the board on which that is seen."""
        self.host = host
        self._connection = connection
        self._board = board
        self._become = become

    async def run(self, id: str, commands: Sequence[Write], lock: HostLock, told: Told, left: Left) -> None:
        """Have the commands run, one after the other, and wait for their end. With the same id, they are run once.

        Args:
            id: Of the step; in the journal already.
            commands: What is run.
            lock: Of this host. While they run, they renew it by themselves.
            told: Called with what keeps us waiting.
            left: Whether nobody waits any more.

        Raises:
            StepError: One of them failed, or they could not be begun.
            LockLostError: Another has the host; nothing was run.
            UnreachableError: They go on, or not, where nobody sees them: `outcome` tells later.
        """
        try:
            beginning = launch(id, commands, lock.holder, self._become)
        except GpudeckError as error:
            raise StepError(str(error)) from None
        for _ in range(_LAUNCHES):
            begun = await self.patiently(partial(self._connection.write, beginning), told)
            if not begun.ok:
                why = clean(begun.stderr).rstrip(".") or f"status {begun.exit_status}"
                raise StepError(f"`{beginning.shown_line}` could not be begun on {self.host}: {why}.")
            progress = await self.outcome(id, told, left)
            if progress.state is not State.NEVER:
                break
        if progress.lost_its_lock:
            raise lock.lost(None)
        if not progress.is_done:
            raise StepError(self._failure(progress, commands))

    async def outcome(self, id: str, told: Told, left: Left) -> Progress:
        """How a step ended, which is waited for; or that it was never begun.

        Raises UnreachableError where the host cannot be asked, or the step is not waited for any longer.
        """
        question = follow(id, FOLLOW_SECONDS)
        for _ in range(math.ceil(STEP_SECONDS / FOLLOW_SECONDS)):
            answer = await self.patiently(partial(self._connection.read, question, FOLLOW_SECONDS + 15.0), told)
            progress = parse_progress(answer)
            if progress is None:
                said = clean(answer.stderr, 160).rstrip(".") or f"status {answer.exit_status}"
                raise UnreachableError(f"{self.host} does not tell how the step stands: {said}.")
            if progress.state is not State.RUNNING:
                return progress
            told(f"it is still at work on {self.host}")
            if left():
                raise UnreachableError(f"{self.host} is still at the step; what runs there goes on.")
        raise UnreachableError(f"{self.host} has not ended the step within {STEP_SECONDS} s; what runs there goes on.")

    async def forget(self, ids: Sequence[str]) -> None:
        """Take away what the host keeps of these steps. Raises UnreachableError."""
        await self._connection.write(forget(ids))

    def _failure(self, progress: Progress, commands: Sequence[Write]) -> str:
        last = commands[progress.command - 1 : progress.command] or commands
        shown = "; ".join(command.shown_line for command in last)
        if progress.state is State.ENDED:
            return f"`{shown}` on {self.host} failed: {masked(why_failed(progress)).rstrip('.')}."
        if progress.state is State.NEVER:
            return f"{self.host} did not begin `{shown}`."
        return f"`{shown}` on {self.host} was cut off: it was killed there, or the host came up anew."

    async def patiently(self, ask: Callable[[], Awaitable[_T]], told: Told) -> _T:
        """Ask again when the line is back. Raises UnreachableError where that takes too long."""
        for cut in range(CUTS):
            seen = self._board.latest(self.host)
            try:
                return await ask()
            except UnreachableError as lost:
                if cut == 0:
                    told(f"the line to {self.host} is lost; what was begun there goes on")
                await self._line_back(seen, lost)
        return await ask()

    async def _line_back(self, seen: HostSnapshot | None, lost: UnreachableError) -> None:
        try:
            await self._board.until(self.host, lambda new: new is not seen and new.link is Link.LIVE, LINE_SECONDS)
        except TimeoutError:
            raise lost from None
