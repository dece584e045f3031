"""Watching one host as a session does, and keeping when each thing was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import repeat

from fleet.inventory import Host
from fleet.model import Model
from fleet.readings import HostSnapshot, Link
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.board import Board
from fleet.telemetry.watcher import HostWatcher

HOST = Host("gpu01", "gpu01", "MI300X", 8)


@asynccontextmanager
async def watched(connection: HostConnection, *models: Model, interval: float = 0.05) -> AsyncIterator[Board]:
    """A board with that host on it; a lost host is tried again after 20 ms."""
    board = Board()
    watcher = HostWatcher(
        HOST, models, ProbeOnly(connection), board.publish, interval=interval, waits=lambda: repeat(0.02)
    )
    task = asyncio.create_task(watcher.run())
    try:
        yield board
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


def is_(link: Link) -> Callable[[HostSnapshot], bool]:
    return lambda snapshot: snapshot.link is link


class Times:
    """How old the newest reading was when a link was first published, by link; newest stretch only."""

    def __init__(self, board: Board) -> None:
        self.ages: dict[Link, float] = {}
        board.subscribe(self._take)

    def _take(self, snapshot: HostSnapshot) -> None:
        if snapshot.read_at is not None and snapshot.link is not Link.LIVE:
            self.ages.setdefault(snapshot.link, time.monotonic() - snapshot.read_at)
