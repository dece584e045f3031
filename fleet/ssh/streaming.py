"""A script that runs on a host for as long as somebody here listens to it."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from fleet.commands import Read
from fleet.ssh.connection import HostConnection
from fleet.ssh.lines import LineSplitter

if TYPE_CHECKING:
    from asyncssh import SSHClientProcess

WINDOW = 1 << 18
"""Bytes a host may send ahead of what we have read."""
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
                raise StopAsyncIteration
            self._ready.extend(self._splitter.feed(chunk))
        return self._ready.popleft()

    def send(self, line: str = "") -> None:
        """Give the script one line to read. Raises UnreachableError where the connection was lost."""
        with self._connection.telling():
            self._process.stdin.write(line.encode() + b"\n")

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
    command = Read(("exec", "sh", "-s", "--", *arguments))
    opened = await connection.opened()
    with connection.telling():
        process: SSHClientProcess[bytes] = await opened.create_process(
            command.line, encoding=None, request_pty=False, stderr=subprocess.DEVNULL, window=WINDOW
        )
        process.stdin.write(script.encode())
    try:
        yield Lines(connection, process)
    finally:
        process.close()
