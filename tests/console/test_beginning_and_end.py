"""A console that is resized while it begins, or has news while it ends, meets no half-built screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from piloting import shown, until
from recorded_demo import RecordedSession
from textual import events
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from views import stale

from console.app import GpudeckApp
from widgets.deck import Deck
from widgets.gpu_pane import GpuPane


def resized(app: GpudeckApp, *sizes: tuple[int, int]) -> None:
    for size in sizes:
        app.post_message(events.Resize(Size(*size), Size(*size)))


@pytest.mark.parametrize("composed", [Screen, Deck, GpuPane])
async def test_a_terminal_is_resized_while_the_first_screen_is_built(
    console_app: GpudeckApp, session: RecordedSession, monkeypatch: pytest.MonkeyPatch, composed: type[Widget]
) -> None:
    stale(session)
    compose: Callable[..., Any] = composed._compose

    async def between_resizes(self: Widget) -> None:
        resized(console_app, (80, 24), (60, 20))
        await compose(self)
        resized(console_app, (120, 36), (80, 24))

    monkeypatch.setattr(composed, "_compose", between_resizes)
    async with console_app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: console_app.size == (80, 24) and "gpu01 stale" in shown(pilot), "the deck is shown")


async def test_what_is_new_while_the_console_ends_is_not_shown(
    console_app: GpudeckApp, session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale(session)
    ended: list[GpuPane] = []

    def on_unmount(self: GpuPane) -> None:
        ended.append(self)
        console_app._tick()

    monkeypatch.setattr(GpuPane, "on_unmount", on_unmount, raising=False)
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
    assert len(ended) == 9
