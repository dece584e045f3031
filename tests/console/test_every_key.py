"""Every key on every screen does something or nothing, and never raises; the wallboard changes nothing at all."""

from __future__ import annotations

import pytest
from recorded_demo import RecordedSession

from console.app import GpudeckApp
from console.keys import KEYS
from console.wall import WallApp
from widgets.hints import Hints

PRESSED = sorted({single for key in KEYS for single in key.keys.split(",")} - {"q"})
OPENED_BY = {
    "deck": (),
    "carrying": ("m",),
    "edit": ("e",),
    "findings": ("f",),
    "logs": ("l",),
    "detail": ("z",),
    "compare": ("z", "C"),
    "help": ("question_mark",),
    "rollouts": ("colon", *"rollouts", "enter"),
}


@pytest.mark.parametrize("opened", list(OPENED_BY))
async def test_no_key_raises(console_app: GpudeckApp, opened: str) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*OPENED_BY[opened])
        there = console_app.screen, console_app.screen.query_one(Hints).hints
        for key in PRESSED:
            await pilot.press(key)
            if (console_app.screen, console_app.screen.query_one(Hints).hints) != there:
                await pilot.press("escape", "escape", *OPENED_BY[opened])
                there = console_app.screen, console_app.screen.query_one(Hints).hints
        assert console_app.is_running


async def test_no_key_on_the_wallboard_changes_anything(wall_app: WallApp, session: RecordedSession) -> None:
    async with wall_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        for key in PRESSED:
            await pilot.press(key)
        assert wall_app.is_running
        assert not session.changes
        await pilot.press("q")
    assert not wall_app.is_running
