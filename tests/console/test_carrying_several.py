"""Marked models carried at once, models that change places, and the reason for the best fit."""

from __future__ import annotations

import pytest
from piloting import last_line
from recorded_demo import RecordedSession
from svg_text import svg_text
from textual.pilot import Pilot

from console.app import GpudeckApp
from fleet.inventory.changes import Disable, Move, Restart
from fleet.model import GpuId, Place
from widgets.deck import Deck


async def mark_two(pilot: Pilot[None]) -> None:
    """docling and the reranker on GPU 3."""
    await pilot.press("4", "down", "space", "down", "space")


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
async def test_marked_models_are_shown_and_named(console_app: GpudeckApp, size: tuple[int, int]) -> None:
    async with console_app.run_test(size=size) as pilot:
        await mark_two(pilot)
        text = svg_text(pilot.app.export_screenshot())
        assert "◇docling" in text
        assert "◆bge-reranker" in text
        assert "marked: docling, bge-reranker" in last_line(pilot)
        await pilot.press("space")
        assert "marked: docling" in last_line(pilot)
        await pilot.press("escape")
        assert "marked" not in last_line(pilot)


async def test_all_marked_models_are_staged_in_one_step_that_one_undo_takes_back(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await mark_two(pilot)
        await pilot.press("m", "8")
        assert "carrying 2 models: ✓ fits" in last_line(pilot)
        await pilot.press("enter")
        there = Place("gpu01", (7,))
        assert session.changes == (Move("docling", there), Move("bge-reranker", there))
        assert "marked" not in last_line(pilot)
        await pilot.press("u")
        assert not session.changes


async def test_the_ghosts_of_all_carried_models_follow_the_cursor(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await mark_two(pilot)
        await pilot.press("m", "8")
        text = svg_text(pilot.app.export_screenshot())
        assert text.count(" leaves ") == 2
        assert text.count(" comes ") == 2


async def test_marks_stay_when_what_is_carried_is_put_back(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await mark_two(pilot)
        await pilot.press("m", "right", "escape")
        assert "marked: docling, bge-reranker" in last_line(pilot)


async def test_a_disabled_model_can_be_marked_on_the_shelf(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("8", "down", "space", "right", "space")
        text = svg_text(pilot.app.export_screenshot())
        assert "◇qwen3-32b" in text
        assert "◆qwen3-235b" in text


@pytest.mark.parametrize(("key", "change"), [("r", Restart), ("x", Disable)])
async def test_all_marked_models_are_restarted_or_disabled_at_once(
    console_app: GpudeckApp, session: RecordedSession, key: str, change: type[Restart | Disable]
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await mark_two(pilot)
        await pilot.press(key)
        assert session.changes == (change("docling"), change("bge-reranker"))


async def test_on_a_narrow_screen_the_swap_is_not_cut(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "m", "8")
        assert "s swap with gemma-3-27b: ✓ fits 3.4" in last_line(pilot)


async def test_two_models_change_places_where_neither_fits_beside_the_other(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("3", "m", "8")
        assert "✗ short" in last_line(pilot)
        assert "s swap with gemma-3-27b: ✓ fits" in last_line(pilot)
        await pilot.press("s")
        assert session.changes == (
            Move("llama-3.3-70b", Place("gpu01", (7,))),
            Move("gemma-3-27b", Place("gpu01", (2,))),
        )
        await pilot.press("u")
        assert not session.changes


async def test_a_swap_that_is_not_offered_says_so(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("3", "m", "2", "s")
        assert "No model on gpu01/1 and llama-3.3-70b would both start" in last_line(pilot)
        assert not session.changes


async def test_the_best_fit_is_said_with_its_reason_until_the_cursor_goes_on(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m", "f")
        assert console_app.screen.query_one(Deck).gpu == GpuId("gpu01", 3)
        assert "most room left; next gpu01/" in last_line(pilot)
        console_app.show_state()
        assert "most room left" in last_line(pilot)
        await pilot.press("right")
        assert "carrying kb-whisper-large: ✓ fits" in last_line(pilot)


async def test_where_it_fits_nowhere_the_nearest_miss_is_said(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("3", "m", "f")
        assert "llama-3.3-70b would start on no other GPU; least is missing on gpu01/3" in last_line(pilot)
