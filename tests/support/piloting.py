"""What a console that a pilot runs is told, and what it shows then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from svg_text import said, svg_text
from textual.pilot import Pilot
from textual.widgets import Input

PATIENCE = 30
"""Seconds after which what is waited for is given up."""


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen."""
    return svg_text(pilot.app.export_screenshot())


def last_line(pilot: Pilot[None]) -> str:
    """What its last line says."""
    return shown(pilot).splitlines()[-1]


async def press(pilot: Pilot[None], *keys: str) -> str:
    """What is shown once the keys are pressed and what they ask for is read."""
    await pilot.press(*keys)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return shown(pilot)


async def answer(pilot: Pilot[None], key: str, text: str) -> str:
    """What is shown once that key was pressed and what it asks for is answered, all at once and not key by key."""
    await pilot.press(key)
    pilot.app.screen.query_one(Input).value = text
    return await press(pilot, "enter")


async def command(pilot: Pilot[None], text: str) -> str:
    """What the last lines say, as one, once that was typed after a colon."""
    await answer(pilot, "colon", text)
    return said(shown(pilot))


async def until(pilot: Pilot[None], holds: Callable[[], bool], what: str) -> None:
    """Wait until this holds, looking whenever the screen has settled."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await pilot.pause()
    except TimeoutError:
        raise AssertionError(f"never came to: {what}\n{shown(pilot)}") from None
