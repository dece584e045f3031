"""The SSH server of a simulated host: real sessions with a real shell, and tunnels to the engines' ports.

The only module of the simulator that imports asyncssh.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import struct
import termios
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncssh

from fleet.simulator.guard import Guard
from fleet.simulator.provision import login
from fleet.simulator.simulation import SimulatedHost

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PATH = "/usr/local/bin:/usr/bin:/bin"
_CHUNK = 65_536

_Reader = asyncssh.SSHReader[bytes]
_Writer = asyncssh.SSHWriter[bytes]
_Outputs = Sequence[tuple[asyncio.StreamReader, _Writer]]
_Started = tuple[asyncio.subprocess.Process, asyncio.StreamWriter, _Outputs]


def new_key() -> asyncssh.SSHKey:
    """A key pair for a host or a client."""
    return asyncssh.generate_private_key("ssh-ed25519")


def write_private_key(key: asyncssh.SSHKey, path: Path) -> None:
    """Write a key as OpenSSH wants it: readable by its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.export_private_key())


def public_line(key: asyncssh.SSHKey) -> str:
    """``TYPE BASE64`` of a key's public half."""
    return " ".join(key.export_public_key().decode().split()[:2])


class SshHost:
    """Serves one simulated host on an ephemeral loopback port."""

    def __init__(self, simulated: SimulatedHost, client_key: asyncssh.SSHKey, guard: Guard) -> None:
        self.simulated = simulated
        self.key = new_key()
        self.port = 0
        """Known once it listens."""
        self._client_key = client_key
        self._guard = guard
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()

    async def start(self) -> None:
        """Listen."""
        user, _ = login(self.simulated.host)
        allowed = asyncssh.import_authorized_keys(public_line(self._client_key))
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(self.simulated, user, allowed, self._connections),
            server_host_keys=[self.key],
            process_factory=self._session,
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            server_version="OpenSSH_9.6p1-simulated",
        )
        self.port = self._acceptor.get_port()

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._acceptor is not None:
            self._acceptor.close()
            for connection in tuple(self._connections):
                connection.abort()
            await self._acceptor.wait_closed()

    async def _session(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        await _Session(self, process, self._guard).run()

    def environment(self, terminal: str | None) -> Mapping[str, str]:
        """What a session finds in its environment; ``terminal`` is the type of its terminal if it has one."""
        user, name = login(self.simulated.host)
        environment = {
            "PATH": f"{self.simulated.bin}:{os.environ.get('PATH', _PATH)}",
            "PROBE_ROOT": str(self.simulated.root),
            "HOME": str(self.simulated.home),
            "USER": user,
            "LOGNAME": user,
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "SSH_CONNECTION": f"127.0.0.1 0 127.0.0.1 {self.port}",
        }
        if terminal is not None:
            environment |= {"TERM": terminal, "PS1": f"{user}@{name}:\\w$ "}
        return environment


class _Session:
    """One session: a shell of its own process group, fed and read until it ends or its channel is gone."""

    def __init__(self, host: SshHost, process: asyncssh.SSHServerProcess[bytes], guard: Guard) -> None:
        self._host = host
        self._process = process
        self._guard = guard
        self._master: int | None = None
        """The terminal's end that is ours; None where there is no terminal."""

    async def run(self) -> None:
        """Run it to its end; none of its processes is left."""
        start = self._start_plain if self._process.term_type is None else self._start_on_terminal
        child, stdin, outputs = await start()
        self._guard.watch(child.pid)
        feeding = asyncio.create_task(self._feed(stdin, child.pid))
        ending = asyncio.create_task(self._end(child, outputs))
        closing = asyncio.create_task(self._process.channel.wait_closed())
        try:
            await asyncio.wait({ending, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (feeding, ending, closing):
                task.cancel()
            self._guard.end(child.pid)
            stdin.close()
            await child.wait()

    async def _start_plain(self) -> _Started:
        command = self._process.command
        child = await self._spawn(
            ("sh", "-c", command) if command else ("sh",),
            (asyncio.subprocess.PIPE,) * 3,
            start_new_session=True,
        )
        if child.stdin is None or child.stdout is None or child.stderr is None:
            raise AssertionError("asked for pipes")
        return child, child.stdin, ((child.stdout, self._process.stdout), (child.stderr, self._process.stderr))

    async def _start_on_terminal(self) -> _Started:
        self._master, slave = os.openpty()
        self._resize(*self._process.term_size)
        bash = shutil.which("bash")
        shell = (bash, "--noprofile", "--norc") if bash else ("/bin/sh",)
        command = self._process.command
        child = await self._spawn(
            (*shell, "-c", command) if command else (*shell, "-i"),
            (slave,) * 3,
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)
        reader, writer = await _opened(self._master)
        return child, writer, ((reader, self._process.stdout),)

    async def _spawn(
        self,
        words: tuple[str, ...],
        streams: tuple[int, ...],
        *,
        start_new_session: bool = False,
        preexec_fn: Callable[[], None] | None = None,
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            cwd=self._host.simulated.home,
            env=self._host.environment(self._process.term_type),
            start_new_session=start_new_session,
            preexec_fn=preexec_fn,
        )

    async def _feed(self, stdin: asyncio.StreamWriter, group: int) -> None:
        """What the client sends: input, signals, and a new size of its terminal."""
        while True:
            try:
                data = await self._process.stdin.read(_CHUNK)
            except asyncssh.TerminalSizeChanged as change:
                self._resize(change.width, change.height, change.pixwidth, change.pixheight)
                continue
            except asyncssh.SignalReceived as received:
                with suppress(ProcessLookupError, KeyError):
                    os.killpg(group, signal.Signals[f"SIG{received.signal}"])
                continue
            except asyncssh.BreakReceived:
                continue
            if not data:
                break
            stdin.write(data)
            with suppress(ConnectionError):
                await stdin.drain()
        if self._master is None:
            stdin.close()

    async def _end(self, child: asyncio.subprocess.Process, outputs: _Outputs) -> None:
        """Pass on what is printed until the last writer is gone, then say how the shell ended."""
        async with asyncio.TaskGroup() as copying:
            for source, sink in outputs:
                copying.create_task(_copy(source, sink))
        status = await child.wait()
        self._process.exit(status if status >= 0 else 128 - status)

    def _resize(self, columns: int, rows: int, width: int, height: int) -> None:
        if self._master is not None:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))


async def _opened(terminal: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A terminal's end as two streams, which close it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(terminal, "rb", 0))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(os.dup(terminal), "wb", 0)
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _copy(source: asyncio.StreamReader, sink: _Writer) -> None:
    # A terminal ends with an OSError once its shell is gone; a channel may close while we write.
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()


class _Login(asyncssh.SSHServer):
    """One client's connection."""

    def __init__(
        self,
        simulated: SimulatedHost,
        user: str,
        allowed: asyncssh.SSHAuthorizedKeys,
        connections: set[asyncssh.SSHServerConnection],
    ) -> None:
        self._simulated = simulated
        self._connections = connections
        self._user = user
        self._allowed = allowed
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, or never was one."""
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Every login needs a key, and only the operator has one."""
        if self._connection is not None and username == self._user:
            self._connection.set_authorized_keys(self._allowed)
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Callable[[_Reader, _Writer], Awaitable[None]]:
        """A tunnel: to the engine that listens on that port of this host, and to nothing else."""
        real = self._simulated.endpoints.real_port(dest_port) if dest_host in _LOOPBACK else None
        if real is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return partial(_tunnel, real)


async def _tunnel(port: int, reader: _Reader, writer: _Writer) -> None:
    """Carry a connection to a port of this machine until the port's side ends it.

    asyncssh's own forwarder leaves the channel open where the port's side ends first and the client waits.
    """
    with suppress(OSError, asyncssh.Error):
        answers, requests = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.create_task(_ask(reader, requests))
        await _copy(answers, writer)
        asking.cancel()
        requests.close()
    writer.close()


async def _ask(reader: _Reader, requests: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncssh.Error):
        while data := await reader.read(_CHUNK):
            requests.write(data)
            await requests.drain()
        requests.write_eof()
