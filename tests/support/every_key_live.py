"""`gpudeck FLEET --read-only` with every key pressed on every screen, as a process of its own.

Called with the fleet file and the ways to the screens as JSON; prints the modules it holds at the end as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence

from every_key import press_all
from textual import _wait
from textual.worker import WorkerState

from console.app import GpudeckApp
from console.cli import main
from console.commands import console

LASTING = {"watch", "look back", "alerts", "autopilot", "webhook", "logs"}
"""Groups of workers that work as long as their screen, or the console, is there."""
SIZE = (80, 24)
_LOOK_SECONDS = 0.05


async def press_everything(app: GpudeckApp, ways: Mapping[str, Sequence[str]]) -> None:
    """On every screen, once the host was read whole."""
    async with app.run_test(size=SIZE) as pilot:

        async def settled() -> None:
            await pilot.pause()
            while any(w.state is WorkerState.RUNNING and w.group not in LASTING for w in app.workers):
                await pilot.pause(_LOOK_SECONDS)

        await app.session.first_readings()
        for way in ways.values():
            await press_all(pilot, tuple(way), settled)


if __name__ == "__main__":
    fleet, ways = sys.argv[1], json.loads(sys.argv[2])
    for name, seconds in (("SLEEP_GRANULARITY", 1 / 200), ("SLEEP_IDLE", 1 / 4000)):
        setattr(_wait, name, seconds)  # a pilot rests long after every key
    setattr(console, "is_drawable", lambda: True)  # noqa: B010
    setattr(GpudeckApp, "start", lambda app: asyncio.run(press_everything(app, ways)))  # noqa: B010
    code = main([fleet, "--read-only"])
    print(json.dumps(sorted(sys.modules)))
    sys.exit(code)
