"""Every key that means something anywhere, pressed on one screen of a console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.pilot import Pilot

from console.app import GpudeckApp
from console.keys import KEYS
from widgets.hints import Hints

PRESSED = sorted({single for key in KEYS for single in key.keys.split(",")} - {"q"})
MOST_BACK = 4
"""Times escape is pressed at most, from anywhere to the deck."""


async def press_all(pilot: Pilot[None], way: tuple[str, ...], settled: Callable[[], Awaitable[object]]) -> None:
    """Every key, each where that way leads from the deck; after each key of the way it waits until all is settled."""
    app = pilot.app
    assert isinstance(app, GpudeckApp)

    def here() -> tuple[object, ...]:
        return app.screen, app.screen.query_one(Hints).hints, app.rewind.past is None

    async def go() -> tuple[object, ...]:
        app.session.clear()
        for _ in range(MOST_BACK):
            await pilot.press("escape")
            if here() == home:
                break
        for key in way:
            await pilot.press(key)
            await settled()
        return here()

    home = here()
    there = await go()
    for key in PRESSED:
        await pilot.press(key)
        if here() != there:
            there = await go()
    assert app.is_running
