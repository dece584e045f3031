"""Filter, jump, zoom: getting to what one looks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from piloting import answer, last_line, press, shown, until
from recorded_demo import RecordedSession
from textual import events
from textual.keys import key_to_character
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import GpudeckApp
from console.screens.detail import DetailScreen
from console.screens.edit import EditScreen
from fleet.model import GpuId
from widgets.deck import Deck
from widgets.gpu_pane import GpuPane


def bright_panes(app: GpudeckApp) -> list[int]:
    """Panes whose estimate is not drawn in grey."""
    panes = [pane for pane in app.screen.query(GpuPane) if pane.id != "detail"]
    return [index for index, pane in enumerate(panes) if not pane.view.is_faint]


async def press_at_once(pilot: Pilot[None], *keys: str, until: Callable[[], bool]) -> None:
    """Press keys that a slow line delivers together: none waits until another has had its effect."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key_to_character(key)))
    async with asyncio.timeout(30):
        while not until():
            await pilot.pause()


async def test_a_filter_dims_what_it_leaves_out_as_it_is_typed(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash", *"role=code")
        assert bright_panes(console_app) == [1]
        await pilot.press("enter")
        assert "filter: role=code" in shown(pilot)
        await pilot.press("m", "escape", "slash", "escape")
        assert bright_panes(console_app) == list(range(8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("role=code", "filter: role=code (2 of 11 models)"),
        ("mai-ds", "filter: mai-ds (1 of 11 models)"),
        ("qwenx", "filter: qwenx matches nothing"),
    ],
)
async def test_a_filter_says_how_many_it_leaves_in(console_app: GpudeckApp, text: str, words: str) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "slash", *text)
        await until(pilot, lambda: words in shown(pilot), words)
        await pilot.press("enter")
        await until(pilot, lambda: words in last_line(pilot), words)


async def test_a_filter_says_how_many_it_leaves_in_on_the_overview_and_in_the_past_too(
    console_app: GpudeckApp, past: Callable[[int], None]
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await press(pilot, "left_square_bracket")
        await answer(pilot, "slash", "qwenx")
        assert "filter: qwenx matches nothing" in last_line(pilot)
        await pilot.press("o")
        await answer(pilot, "slash", "role=code")
        assert "filter: role=code (2 of 11 models)" in last_line(pilot)


async def test_a_filter_with_an_error_says_in_which_column(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash", *"est>x")
        assert "(column 5)" in shown(pilot)


async def test_keys_typed_into_the_filter_are_text(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash", *"qmrxu")
        assert console_app.is_running
        assert not session.changes


async def test_the_filters_submitted_before_are_remembered(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash", *"whisper", "enter", "slash", *["backspace"] * 7, *"gemma", "enter")
        await pilot.press("slash", "up", "up", "enter")
        assert "filter: whisper" in shown(pilot)


async def test_a_letter_jumps_to_its_model(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("semicolon")
        assert "d devstral-small" in shown(pilot)
        await pilot.press("d")
        deck = console_app.screen.query_one(Deck)
        assert (deck.gpu, deck.model) == (GpuId("gpu01", 1), "devstral-small")
        assert "ddevstral-small" not in shown(pilot)


async def test_any_other_key_ends_the_jump(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("semicolon", "escape", "r")
        assert len(session.changes) == 1


async def test_zoom_shows_the_gpu_in_every_numbering_and_its_processes(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("4", "z")
        text = shown(pilot)
        assert "0000:22:00.0" in text
        assert "GPU-e3aa140f9a5f9e32" in text
        assert "systemd:docling.service" in text
        await pilot.press("z")
        assert console_app.screen.query(Deck)


@pytest.mark.parametrize(("typed", "screen"), [("zoom gpu01/3", DetailScreen), ("edit gemma-3-27b", EditScreen)])
async def test_a_command_whose_keys_arrive_all_at_once_is_whole(
    console_app: GpudeckApp, typed: str, screen: type
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await press_at_once(pilot, "colon", *typed, "enter", until=lambda: isinstance(console_app.screen, screen))


async def test_a_filter_whose_keys_arrive_all_at_once_is_whole(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        line, deck = console_app.screen.query_one(Input), console_app.screen.query_one(Deck)
        keys = ("slash", *"role=codex", "backspace")
        await press_at_once(pilot, *keys, until=lambda: bright_panes(console_app) == [1])
        assert line.value == "role=code"
        await pilot.press("enter")
        await press_at_once(pilot, "semicolon", "e", until=lambda: deck.model == "llama-3.3-70b")
