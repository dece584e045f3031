"""How well a host is reached: how fast, how quietly, and by how many sessions at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from fleet.commands import Read
from fleet.errors import UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.login_shell import MARK, Silencer
from fleet.text import clean

ENOUGH_SESSIONS = 4
"""The probe, a question, a log that is followed, and one to spare."""
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Examined:
    """One look at a host that was reached."""

    server: str
    """What its sshd calls itself."""
    login_seconds: float
    """From nothing to logged in."""
    shell_seconds: float
    """Until the login shell ran a command; the quickest of three."""
    noise: str
    """What its profile prints first though nobody is there to read it; empty where it keeps quiet."""
    sessions: int
    """How many it runs at once, up to `ENOUGH_SESSIONS`."""


async def examine(connection: HostConnection) -> Examined:
    """Log in, run a few commands that do nothing, and count. Raises UnreachableError."""
    began = time.monotonic()
    opened = await connection.opened()
    login = time.monotonic() - began
    try:
        async with asyncio.timeout(_SECONDS):
            waits, noises = zip(*[await _begun(connection) for _ in range(3)], strict=True)
            sessions = await _sessions(connection)
    except TimeoutError:
        raise UnreachableError(
            f"{connection.name} is logged in to, but starts no program within {_SECONDS:g} s.",
            "See what its account's profile does there.",
        ) from None
    server = clean(str(opened.get_extra_info("server_version") or ""), 80)
    return Examined(server, login, min(waits), noises[0], sessions)


async def _begun(connection: HostConnection) -> tuple[float, str]:
    """Seconds until the login shell ran a command, and the first line it printed before. Raises UnreachableError."""
    silencer, began, heard = Silencer(), time.monotonic(), b""
    async with connection.session(Read(("true",)).line) as process:
        with connection.telling():
            while not silencer.begun and (chunk := await process.stdout.read(4096)):
                heard += chunk[:4096] if len(heard) < 4096 else b""
                silencer.feed(chunk)
                if silencer.flooded:
                    break
    if not silencer.begun:
        raise connection.no_shell("it prints without end" if silencer.flooded else silencer.last_words)
    noise = heard.partition(MARK)[0].decode("utf-8", "replace").strip()
    return time.monotonic() - began, clean(noise.partition("\n")[0], 120)


async def _sessions(connection: HostConnection) -> int:
    """How many sessions start while the others still run; each ends with its input."""
    async with AsyncExitStack() as stack:
        for count in range(ENOUGH_SESSIONS):
            try:
                await stack.enter_async_context(connection.session(Read(("cat",)).line, lasting=True))
            except UnreachableError:
                return count
    return ENOUGH_SESSIONS
