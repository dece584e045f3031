"""One connection to one host, shared by everything that talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.errors import UnreachableError
from fleet.text import clean

if TYPE_CHECKING:
    from asyncssh import ChannelOpenError, SSHClientConnection

    from fleet.ssh.host_keys import Client

CLOSE_SECONDS = 1.0
"""How long a peer may take to agree to an end before the connection is dropped."""


class HostConnection:
    """A connection opened on demand, and again after it was lost; never twice at a time."""

    def __init__(self, name: str, address: str, ssh_config: Path | None) -> None:
        """Nothing is opened yet.

        Args:
            name: The host's name in the fleet file, for sentences.
            address: Anything ssh takes: ``ops@gpu01``.
            ssh_config: An OpenSSH client configuration; None = ``~/.ssh/config``.
        """
        self.name = name
        self.address = address
        self.ssh_config = ssh_config
        self._opening: asyncio.Task[SSHClientConnection] | None = None
        self._connection: SSHClientConnection | None = None
        self._client: Client | None = None

    async def opened(self) -> SSHClientConnection:
        """The open connection. Raises UnreachableError with the reason; the next call tries again."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"connect to {self.name}")
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """End the connection, or the attempt to open it."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await connection.wait_closed()
            connection.abort()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What asyncssh raises in this block, over an open connection, is raised as UnreachableError."""
        import asyncssh

        try:
            yield
        except asyncssh.ChannelOpenError as error:
            if is_loss(error):
                raise self.lost() from error
            raise UnreachableError(
                f"{self.name} would not start another session: {clean(error.reason)}.",
                "Its sshd may allow too few at once (MaxSessions).",
            ) from error
        except (asyncssh.Error, ConnectionError) as error:
            raise self.lost() from error

    def lost(self) -> UnreachableError:
        """The error to raise where something broke off because the connection ended."""
        reason = clean(self._client.lost) if self._client else ""
        return UnreachableError(f"The connection to {self.name} was lost{': ' + reason if reason else ''}.")

    async def _open(self) -> SSHClientConnection:
        try:
            await asyncio.to_thread(import_module, "asyncssh")  # the screen need not wait for it
            from fleet.ssh.opening import open_connection

            self._connection, self._client = await open_connection(self.name, self.address, self.ssh_config)
            return self._connection
        finally:
            self._opening = None


def is_loss(error: ChannelOpenError) -> bool:
    """Whether a channel did not open for want of a connection, rather than by the host's will."""
    return error.reason == "SSH connection closed"
