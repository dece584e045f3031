"""News that come, and keys that are asked about, while a screen is still being built."""

from __future__ import annotations

from typing import Any

import pytest
from textual.screen import Screen

from console.app import GpudeckApp

OPENING = ["o", "z", "f", "l", "e", "d", "b", "p", "question_mark"]


@pytest.fixture
def built(console_app: GpudeckApp, monkeypatch: pytest.MonkeyPatch) -> list[Screen[Any]]:
    """The screens that were opened; each had news and was asked for its keys before it had any content."""
    found: list[Screen[Any]] = []
    push = console_app.push_screen

    def push_amid_news(screen: Screen[Any], *args: Any, **options: Any) -> Any:
        awaiting = push(screen, *args, **options)
        found.append(screen)
        assert not screen.is_mounted
        screen.check_action("close", ())
        console_app._news = False
        console_app.show_state()
        assert console_app._news, "it is shown at the next tick"
        return awaiting

    monkeypatch.setattr(console_app, "push_screen", push_amid_news)
    return found


@pytest.mark.parametrize("key", OPENING)
async def test_news_before_a_screen_has_any_content_break_nothing(
    console_app: GpudeckApp, built: list[Screen[Any]], key: str
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "r", key)
        await console_app.workers.wait_for_complete()
        await pilot.pause()
        (opened,) = built
        assert opened.is_mounted
