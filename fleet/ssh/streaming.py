"""A script that runs on a host for as long as somebody here listens to it."""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

from fleet.commands import Read
from fleet.errors import UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.lines import LineSplitter
from fleet.ssh.login_shell import Silencer
from fleet.ssh.sessions import give

if TYPE_CHECKING:
    from asyncssh import SSHClientProcess

WINDOW = 1 << 18
"""Bytes a host may send ahead of what we have read."""
START_SECONDS = 15.0
"""Time for a host we are logged in to to start a session."""
_CHUNK = 1 << 16

FOLLOW = """\
exec 3<&0
"$@" </dev/null 2>&1 3<&- &
command=$!
{ while read -r line; do :; done; kill "$command"; } <&3 2>/dev/null &
watcher=$!
wait "$command"
kill "$watcher" 2>/dev/null
exit 0
"""
"""Runs a command until our end of the input closes: such a command outlives its channel otherwise."""


class Lines:
    """The lines a running script prints: an asynchronous iterator that ends when the script does."""

    def __init__(self, connection: HostConnection, process: SSHClientProcess[bytes]) -> None:
        self._connection = connection
        self._process = process
        self._splitter = LineSplitter()
        self._silencer = Silencer()
        self._ready: deque[str] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """The next line. Raises UnreachableError where the connection was lost."""
        while not self._ready:
            with self._connection.telling():
                chunk = await self._process.stdout.read(_CHUNK)
                if not chunk:
                    await self._process.wait_closed()
            if not chunk:
                if self._process.returncode is None:
                    raise self._connection.lost()
                if not self._silencer.begun:
                    raise self._connection.no_shell(self._silencer.last_words)
                raise StopAsyncIteration
            self._ready.extend(self._splitter.feed(self._silencer.feed(chunk)))
            if self._silencer.flooded:
                raise self._connection.no_shell("it prints without end")
        return self._ready.popleft()

    def send(self, line: str = "") -> None:
        """Give the script one line to read; where it has ended or is lost, the next line asked for says so."""
        give(self._process, line.encode() + b"\n")

    @property
    def exit_status(self) -> int | None:
        """How the script ended; None while it runs."""
        return self._process.returncode


@asynccontextmanager
async def stream(connection: HostConnection, script: str, *arguments: str) -> AsyncIterator[Lines]:
    """Run a POSIX sh script, sent on its own standard input, which stays open for `Lines.send`.

    Leaving the context closes that input. A script that runs on must therefore read it and end where it ends:
    closing a channel does not kill what runs behind it.

    Raises UnreachableError where there is no connection.
    """
    command = Read(("sh", "-s", "--", *arguments))
    options = {"stderr": subprocess.DEVNULL, "window": WINDOW}
    await connection.opened()
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(START_SECONDS):
                session = connection.session(command.line, lasting=True, **options)
                process = await stack.enter_async_context(session)
        except TimeoutError:
            raise UnreachableError(
                f"{connection.name} is logged in to, but starts no program within {START_SECONDS:g} s."
            ) from None
        give(process, script.encode())
        yield Lines(connection, process)
