"""Sessions over one connection: sshd allows only so many at once (MaxSessions) and refuses one more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncssh import ChannelOpenError, SSHClientConnection, SSHClientProcess

_PATIENCE = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds before asking again while nothing of ours is about to end: sshd counts a closed session until its program
has ended too."""


class Sessions:
    """Starts sessions. One that is refused while others are about to end waits for its turn."""

    def __init__(self) -> None:
        self._brief = 0
        self._ended = asyncio.Event()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def session(
        self, opened: SSHClientConnection, line: str, *, lasting: bool, **options: Any
    ) -> AsyncIterator[SSHClientProcess[bytes]]:
        """A session that runs one shell line, without a terminal; closed at the end of the block.

        Args:
            opened: The connection.
            line: What the login shell is given.
            lasting: Whether it goes on while somebody listens, so that nobody should wait for its end.
            options: As `asyncssh.SSHClientConnection.create_process` takes them.

        Raises asyncssh.ChannelOpenError where sshd allows no more and none of ours is about to end.
        """
        process = await self._start(opened, line, {"encoding": None, "request_pty": False, **options})
        self._brief += not lasting
        try:
            yield process
        finally:
            process.close()
            self._brief -= not lasting
            self._ended.set()

    async def _start(self, opened: SSHClientConnection, line: str, options: dict[str, Any]) -> SSHClientProcess[bytes]:
        import asyncssh

        if not self._turn.locked():
            try:
                return await opened.create_process(line, **options)
            except asyncssh.ChannelOpenError as error:
                if is_loss(error):
                    raise
        async with self._turn:
            waits = iter(_PATIENCE)
            while True:
                self._ended.clear()
                try:
                    return await opened.create_process(line, **options)
                except asyncssh.ChannelOpenError as error:
                    wait = None if self._brief else next(waits, None)
                    if is_loss(error) or (wait is None and not self._brief):
                        raise
                if wait is None:
                    await self._ended.wait()
                else:
                    await asyncio.sleep(wait)


def give(process: SSHClientProcess[bytes], data: bytes) -> None:
    """Write to a session's standard input. One that has ended by now reads nothing: how it ended, its output tells."""
    with suppress(BrokenPipeError):
        process.stdin.write(data)


def is_loss(error: ChannelOpenError) -> bool:
    """Whether a channel did not open for want of a connection, rather than by the host's will."""
    return error.reason == "SSH connection closed"
