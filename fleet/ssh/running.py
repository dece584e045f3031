"""Running one command on a host to its end."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from fleet.commands import Answer, Command, Read
from fleet.errors import GpudeckError, UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.login_shell import Silencer
from fleet.ssh.sessions import give
from fleet.text import clean

if TYPE_CHECKING:
    from asyncssh import SSHReader

OUTPUT_LIMIT = 4 << 20
"""Bytes a command may print on either stream; one that prints more is left alone."""
_CHUNK = 1 << 16


async def run(connection: HostConnection, command: Command, timeout: float) -> Answer:
    """Run a command and wait for its end.

    Args:
        connection: The host's connection, opened if it is not.
        command: What to run.
        timeout: Seconds it may take once connected. A Write that takes longer goes on running on the host.

    Returns:
        What it printed and its exit status; 128 + N where signal N ended it.

    Raises:
        UnreachableError: No connection, or it was lost, or the time was up: what the command did is unknown; or the
            account's login shell ran nothing.
        GpudeckError: It printed more than OUTPUT_LIMIT.
    """
    shown = clean(command.shown_line, 120)
    await connection.opened()
    try:
        async with asyncio.timeout(timeout):
            return await _run(connection, _mortal(command, timeout))
    except TimeoutError:
        raise UnreachableError(f"{connection.name} did not finish `{shown}` within {timeout:g} s.") from None
    except _FloodError:
        raise GpudeckError(
            f"`{shown}` on {connection.name} printed more than {OUTPUT_LIMIT >> 20} MiB, which is not read."
        ) from None


def _mortal(command: Command, timeout: float) -> Command:
    """The command, ended by the host itself where it only reads: closing a channel does not end what runs behind it.

    A host whose service manager hangs would otherwise keep every question ever asked, until sshd starts no more.
    """
    if not isinstance(command, Read):
        return command
    return replace(command, words=("timeout", str(math.ceil(timeout) + 1), *command.words))


class _FloodError(Exception):
    """More output than is read."""


async def _run(connection: HostConnection, command: Command) -> Answer:
    silencer = Silencer()
    async with connection.session(command.line) as process:
        with connection.telling():
            give(process, command.stdin)
            process.stdin.write_eof()
            stdout, stderr = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            await process.wait_closed()
        # A connection lost in the middle looks like a command that ended without a status.
        if process.returncode is None:
            raise connection.lost()
        output = silencer.feed(stdout)
        if not silencer.begun:
            raise connection.no_shell(silencer.last_words or clean(stderr.decode("utf-8", "replace")))
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Answer(status, output.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


async def _bounded(reader: SSHReader[bytes]) -> bytes:
    chunks, size = [], 0
    while chunk := await reader.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > OUTPUT_LIMIT:
            raise _FloodError
    return b"".join(chunks)
