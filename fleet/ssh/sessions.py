"""Sessions over one connection: sshd allows only so many at once (MaxSessions) and refuses one more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncssh import ChannelOpenError, SSHClientConnection, SSHClientProcess

_LONELY_TRIES = 2
"""How often to ask while nothing of ours is about to end: sshd may still be clearing away what just did."""


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
            tries = 0
            while True:
                self._ended.clear()
                tries = 0 if self._brief else tries + 1
                try:
                    return await opened.create_process(line, **options)
                except asyncssh.ChannelOpenError as error:
                    if is_loss(error) or tries == _LONELY_TRIES:
                        raise
                if self._brief:
                    await self._ended.wait()


def is_loss(error: ChannelOpenError) -> bool:
    """Whether a channel did not open for want of a connection, rather than by the host's will."""
    return error.reason == "SSH connection closed"
