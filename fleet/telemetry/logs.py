"""Reading a service's log as whoever may."""

from __future__ import annotations

from fleet.commands import Read, Reader
from fleet.errors import GpudeckError
from fleet.secrets import masked
from fleet.services import Service
from fleet.text import clean


async def read_log(connection: Reader, service: Service, lines: int, become: str) -> str:
    """The newest log lines of a service, oldest first, secrets masked; empty where it has none.

    journalctl says nothing at all to a user who may not read the journal, and calls that a success: so where nothing
    is found, root is asked, if the host's ``become`` allows it.
    Raises GpudeckError where neither way works, UnreachableError where the host is lost.
    """
    plain = service.logs(lines)
    answer = await connection.read(plain)
    if not (answer.ok and answer.stdout.strip()) and become != "none":
        rooted = await connection.read(plain.as_root(become))
        answer = rooted if rooted.ok else answer
    if not answer.ok:
        raise GpudeckError(f"The log of {service.name} cannot be read: {clean(answer.stderr) or 'nobody said why'}.")
    return masked(answer.stdout)


async def following(connection: Reader, service: Service, lines: int, become: str) -> Read:
    """The command that prints the newest log lines and goes on, as whoever may. Raises as `read_log` does."""
    command = service.logs(lines, follow=True)
    if become == "none" or (await connection.read(service.logs(1))).stdout.strip():
        return command
    return command.as_root(become) if await read_log(connection, service, 1, become) else command
