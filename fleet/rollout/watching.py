"""What is read of hosts while a rollout goes on: the newest, the next, and one that was asked for after now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fleet.errors import UnreachableError
from fleet.readings import HostSnapshot

READING_TIMEOUT = 15.0
"""Seconds until a host must have said how its services are."""


class Newest(Protocol):
    """Where the newest snapshot of each host is found."""

    def latest(self, host: str) -> HostSnapshot | None:
        """The newest, None before the first."""


class Watching(Newest, Protocol):
    """Where it is also waited for."""

    async def until(self, host: str, predicate: Callable[[HostSnapshot], bool], timeout: float) -> HostSnapshot:
        """The first for which the predicate is true. Raises TimeoutError."""


async def read_anew(board: Watching, host: str) -> HostSnapshot:
    """How a host's services are by a question asked after now; the first answer may be to one asked before.

    Raises UnreachableError where it does not say.
    """
    seen = board.latest(host)
    for _ in range(2):
        seen = await _next_services(board, host, seen)
    assert seen
    return seen


async def _next_services(board: Watching, host: str, seen: HostSnapshot | None) -> HostSnapshot:
    services = seen.services if seen else None
    try:
        return await board.until(host, lambda new: new.services is not services, READING_TIMEOUT)
    except TimeoutError:
        raise UnreachableError(f"{host} does not say how its services are.") from None
