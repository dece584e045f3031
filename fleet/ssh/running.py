"""Running one command on a host to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fleet.commands import Answer, Command
from fleet.errors import GpudeckError, UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.text import clean

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection, SSHClientProcess, SSHReader

OUTPUT_LIMIT = 4 << 20
"""Bytes a command may print on either stream; one that prints more is left alone."""
_CHUNK = 1 << 16


async def run(connection: HostConnection, command: Command, timeout: float) -> Answer:
    """Run a command and wait for its end.

    Args:
        connection: The host's connection, opened if it is not.
        command: What to run.
        timeout: Seconds it may take once connected. What takes longer goes on running on the host.

    Returns:
        What it printed and its exit status; 128 + N where signal N ended it.

    Raises:
        UnreachableError: No connection, or it was lost, or the time was up: what the command did is unknown.
        GpudeckError: It printed more than OUTPUT_LIMIT.
    """
    shown = clean(command.line, 120)
    opened = await connection.opened()
    try:
        async with asyncio.timeout(timeout):
            with connection.telling():
                answer = await _run(opened, command)
    except TimeoutError:
        raise UnreachableError(f"{connection.name} did not finish `{shown}` within {timeout:g} s.") from None
    except _FloodError:
        raise GpudeckError(
            f"`{shown}` on {connection.name} printed more than {OUTPUT_LIMIT >> 20} MiB, which is not read."
        ) from None
    if answer is None:
        raise connection.lost()
    return answer


class _FloodError(Exception):
    """More output than is read."""


async def _run(opened: SSHClientConnection, command: Command) -> Answer | None:
    process: SSHClientProcess[bytes] = await opened.create_process(command.line, encoding=None, request_pty=False)
    try:
        if command.stdin:
            process.stdin.write(command.stdin)
        process.stdin.write_eof()
        stdout, stderr = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
        await process.wait_closed()
    finally:
        process.close()
    # A connection lost in the middle looks like a command that ended without a status.
    if process.returncode is None:
        return None
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Answer(status, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


async def _bounded(reader: SSHReader[bytes]) -> bytes:
    chunks, size = [], 0
    while chunk := await reader.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > OUTPUT_LIMIT:
            raise _FloodError
    return b"".join(chunks)
