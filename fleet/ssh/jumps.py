"""Connections to jump hosts, each shared by all the hosts that are reached through it.

A rack behind one bastion would otherwise log in there once for each host, and sshd turns away most who come at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleet.errors import UnreachableError

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

PATIENCE_SECONDS = 60.0
"""Time for a jump host, and those on the way to it, to be reached."""


@dataclass(slots=True, eq=False)
class _Shared:
    """One connection, or the attempt to open it, and how many use or await it."""

    opening: asyncio.Task[SSHClientConnection]
    users: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nobody can use it any more."""
        if not self.opening.done():
            return self.users == 0
        failed = self.opening.cancelled() or self.opening.exception() is not None
        return failed or self.opening.result().is_closed()

    def leave(self) -> None:
        """One user less; the last one ends it."""
        self.users -= 1
        if self.users:
            return
        if not self.opening.done():
            self.opening.cancel()
        elif not self.is_over:
            self.opening.result().close()


class Jumps:
    """The connections to jump hosts that are open now. For one event loop."""

    def __init__(self) -> None:
        self._shared: dict[Hashable, _Shared] = {}

    async def through(
        self, key: Hashable, name: str, opening: Callable[[], Coroutine[Any, Any, SSHClientConnection]]
    ) -> tuple[SSHClientConnection, Callable[[], None]]:
        """The connection to a jump host, and what to call when it is needed no more, be it twice.

        Args:
            key: What tells it from others.
            name: What sentences call it.
            opening: Opens it, where nobody did yet.

        Raises UnreachableError, to all who wait for the same one.
        """
        shared = self._shared.get(key)
        if shared is None or shared.is_over:
            shared = self._shared[key] = _Shared(asyncio.create_task(opening(), name=f"connect to {name}"))
        shared.users += 1
        with ExitStack() as stack:
            stack.callback(shared.leave)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await asyncio.shield(shared.opening), stack.pop_all().close
            except TimeoutError:
                raise UnreachableError(f"{name} was not reached within {PATIENCE_SECONDS:g} s.") from None
