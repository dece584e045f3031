"""The capability to look at a host. Changing one is in `fleet.ssh.operator`, unknown here."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from fleet.commands import Answer, Read
from fleet.http import HttpAnswer
from fleet.ssh.connection import HostConnection
from fleet.ssh.http import get
from fleet.ssh.running import run
from fleet.ssh.streaming import FOLLOW, Lines, stream


class ProbeOnly:
    """Reading from one host. Every method opens the connection if need be, or raises UnreachableError."""

    def __init__(self, connection: HostConnection) -> None:
        self._connection = connection

    @property
    def host(self) -> str:
        """The host's name in the fleet file."""
        return self._connection.name

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the operator should know of how the host is reached, as sentences."""
        return self._connection.remarks

    async def read(self, command: Read, timeout: float = 10.0) -> Answer:
        """Run a command that changes nothing, to its end; `fleet.ssh.running.run` says what can go wrong.

        Raises TypeError for any other kind of command.
        """
        return await run(self._connection, _reading(command), timeout)

    def stream(self, script: str, *arguments: str) -> AbstractAsyncContextManager[Lines]:
        """Run a sh script that only reads, for as long as the context lasts: `fleet.ssh.streaming.stream`."""
        return stream(self._connection, script, *arguments)

    def follow(self, command: Read) -> AbstractAsyncContextManager[Lines]:
        """Run a command that goes on by itself, such as ``journalctl -f``, for as long as the context lasts.

        Raises TypeError for any other kind of command.
        """
        return stream(self._connection, FOLLOW, *_reading(command).words)

    async def get(self, url: str, timeout: float = 5.0) -> HttpAnswer:
        """GET a URL as seen from the host: `fleet.ssh.http.get`. Raises EndpointError for no answer."""
        return await get(self._connection, url, timeout)

    async def close(self) -> None:
        """End the host's connection, for everybody who shares it."""
        await self._connection.close()


def _reading(command: Read) -> Read:
    if not isinstance(command, Read):
        raise TypeError(f"a read-only connection does not run {type(command).__name__} commands")
    return command
