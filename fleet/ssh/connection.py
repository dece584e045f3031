"""One connection to one host, shared by everything that talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.errors import UnreachableError
from fleet.ssh.jumps import Jumps
from fleet.ssh.login_shell import line_for
from fleet.ssh.sessions import Sessions, is_loss
from fleet.text import clean

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection, SSHClientProcess

    from fleet.ssh.configuration import Disobeyed
    from fleet.ssh.host_keys import Client

CLOSE_SECONDS = 1.0
"""How long a peer may take to agree to an end before the connection is dropped."""


class HostConnection:
    """A connection opened on demand, and again after it was lost; never twice at a time."""

    def __init__(self, name: str, address: str, ssh_config: Path | None, jumps: Jumps | None = None) -> None:
        """Nothing is opened yet.

        Args:
            name: The host's name in the fleet file, for sentences.
            address: Anything ssh takes: ``ops@gpu01``. Empty where there is none, so that nothing can be opened.
            ssh_config: An OpenSSH client configuration; None = ``~/.ssh/config``.
            jumps: What it shares its jump hosts with; None = nobody.
        """
        self.name = name
        self.address = address
        self.ssh_config = ssh_config
        self._opening: asyncio.Task[SSHClientConnection] | None = None
        self._connection: SSHClientConnection | None = None
        self._client: Client | None = None
        self._sessions = Sessions()
        self._jumps = jumps or Jumps()
        self._disobeyed: dict[Disobeyed, None] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the operator should know of how this host is reached, as sentences; known once it was tried."""
        return tuple(map(str, self._disobeyed))

    async def opened(self) -> SSHClientConnection:
        """The open connection. Raises UnreachableError with the reason; the next call tries again."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"connect to {self.name}")
            self._opening.add_done_callback(_heard)
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

    @asynccontextmanager
    async def session(
        self, command: str, *, lasting: bool = False, **options: Any
    ) -> AsyncIterator[SSHClientProcess[bytes]]:
        """A session that runs a command, its output after the mark of `fleet.ssh.login_shell`.

        `fleet.ssh.sessions.Sessions.session` describes the arguments. Raises UnreachableError where there is no
        connection, or where the host starts no more sessions.
        """
        opened = await self.opened()
        session = self._sessions.session(opened, line_for(command), lasting=lasting, **options)
        async with AsyncExitStack() as stack:
            with self.telling():
                process = await stack.enter_async_context(session)
            yield process

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

    def no_shell(self, words: str) -> UnreachableError:
        """The error to raise where the login shell ended, with these last words, before it ran our command."""
        said = f": {words}" if words else " and said nothing"
        return UnreachableError(
            f"The login shell on {self.name} ended before it ran anything{said}.",
            f"See what `ssh {self.address} true` prints, and the account's profile there.",
        )

    def lost(self) -> UnreachableError:
        """The error to raise where something broke off because the connection ended."""
        reason = clean(self._client.lost) if self._client else ""
        return UnreachableError(f"The connection to {self.name} was lost{': ' + reason if reason else ''}.")

    def _tell(self, line: Disobeyed) -> None:
        self._disobeyed[line] = None

    async def _open(self) -> SSHClientConnection:
        self._disobeyed.clear()
        try:
            if not self.address:
                raise UnreachableError(
                    f"{self.name} has no address in the fleet file, so that gpudeck only reads it, through Prometheus.",
                    "Write its address: into the fleet file, such as ops@gpu01, to reach it over SSH.",
                )
            await asyncio.to_thread(import_module, "asyncssh")  # the screen need not wait for it
            from fleet.ssh.opening import Journey, open_connection

            journey = Journey(self.ssh_config, self._jumps, self._tell)
            self._connection, self._client = await open_connection(self.name, self.address, journey)
            return self._connection
        finally:
            self._opening = None


def _heard(opening: asyncio.Task[SSHClientConnection]) -> None:
    """Take note of how an attempt ended; whoever waited for it may be gone."""
    if not opening.cancelled():
        opening.exception()
