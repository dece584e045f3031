"""The deck by keyboard: carrying, staging, undoing, and what every GPU says meanwhile."""

from __future__ import annotations

import pytest
from piloting import last_line, shown
from recorded_demo import RecordedSession, recorded_snapshot

from console.app import GpudeckApp
from fleet.inventory.changes import Disable, Enable, Move, Restart
from fleet.model import GpuId, Place
from fleet.readings import Link
from widgets.deck import Deck


async def test_all_gpus_and_all_running_models_are_visible(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        text = shown(pilot)
        assert all(model.name in text for model in session.inventory.models)
        assert all(f"{n}  MI300X" in text for n in range(8))


@pytest.mark.parametrize("size", [(160, 48), (120, 36), (80, 24), (200, 60), (60, 20)])
async def test_nothing_is_drawn_beyond_the_screen(console_app: GpudeckApp, size: tuple[int, int]) -> None:
    async with console_app.run_test(size=size) as pilot:
        await pilot.pause()
        lines = shown(pilot).splitlines()
        assert len(lines) <= size[1]
        assert max(len(line) for line in lines) <= size[0]
        assert "gpudeck" in lines[0]


@pytest.mark.parametrize("size", [(160, 48), (120, 36), (80, 24), (200, 60), (60, 20)])
async def test_all_eight_gpus_and_their_figures_are_seen_at_once(
    console_app: GpudeckApp, size: tuple[int, int]
) -> None:
    async with console_app.run_test(size=size) as pilot:
        await pilot.pause()
        text = shown(pilot)
        assert all(figure in text for figure in ("98.7", "194.0", "188.6", "64.2", "118.8", "137.2", "124.9", "117.2"))


async def test_a_carried_model_is_answered_by_every_pane(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m")
        text = shown(pilot)
        assert text.count("✓ fits") == 5
        assert "is here" in text
        assert "✗ short" in text
        assert "≈ tight" in text
        assert "carrying kb-whisper-large" in last_line(pilot)


async def test_dropping_stages_the_move_and_undo_takes_it_back(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m", "8", "enter")
        assert session.changes == (Move("kb-whisper-large", Place("gpu01", (7,))),)
        assert "draft: 1 change" in last_line(pilot)
        assert "comes" in shown(pilot)
        await pilot.press("u")
        assert not session.changes
        await pilot.press("U")
        assert len(session.changes) == 1


async def test_the_cursor_stays_on_its_model_when_what_was_staged_has_been_done(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m", "8", "enter")
        deck = console_app.screen.query_one(Deck)
        assert (deck.gpu, deck.model) == (GpuId("gpu01", 7), "kb-whisper-large")
        session.adopt(session.drafted())
        console_app.show_state()
        assert (deck.gpu, deck.model) == (GpuId("gpu01", 7), "kb-whisper-large")


async def test_what_is_carried_to_a_full_pane_is_seen_there(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(120, 36)) as pilot:
        await pilot.press("m", "4")
        text = shown(pilot)
        assert "+llama-3.1-8b" in text
        assert "comes" in text
        assert "+2 more" in text


async def test_a_model_put_back_leaves_no_trace(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("m", "right", "right", "escape")
        assert not session.changes
        assert console_app.screen.query_one(Deck).gpu == GpuId("gpu01", 0)
        assert "✓" not in shown(pilot)


async def test_a_model_over_three_gpus_moves_as_a_block(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("5", "m")
        text = shown(pilot)
        assert text.count("⛔ too few GPUs") == 2
        await pilot.press("6")
        assert "gpu01/5" in last_line(pilot)


async def test_a_disabled_model_is_enabled_where_it_is_dropped(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("8", "down", "m", "8", "enter")
        assert session.changes == (Move("qwen3-32b", Place("gpu01", (7,))), Enable("qwen3-32b"))
        assert "MEM002" in shown(pilot)


async def test_next_fit_and_best_fit_go_only_where_the_model_would_start(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        deck = console_app.screen.query_one(Deck)
        await pilot.press("down", "m", "f")
        assert deck.gpu == GpuId("gpu01", 3)
        await pilot.press("n")
        assert deck.gpu == GpuId("gpu01", 4)
        await pilot.press("N", "N")
        assert deck.gpu == GpuId("gpu01", 2)


async def test_restart_and_disable_are_staged(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("r", "down", "x")
        assert session.changes == (Restart("llama-3.1-8b"), Disable("kb-whisper-large"))


async def test_nothing_can_be_staged_on_a_lost_host(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.board.publish(recorded_snapshot(Link.LOST, "gpu01 has given no reading for 10 s."))
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert shown(pilot).count("LOST") == 8
        await pilot.press("m")
        assert "nothing can be staged" in last_line(pilot)
        await pilot.press("r")
        assert not session.changes


async def test_leaving_with_a_draft_wants_the_key_twice(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("r", "q")
        assert console_app.is_running
        assert "Press q again" in last_line(pilot)
        await pilot.press("q")
    assert not console_app.is_running


async def test_now_and_after_can_be_toggled(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m", "8", "enter", "v")
        assert "AFTER" in shown(pilot)
        await pilot.press("v")
        assert "AFTER" not in shown(pilot)


async def test_a_cursor_key_repaints_a_few_rows_only(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        before = shown(pilot).splitlines()
        await pilot.press("right")
        after = shown(pilot).splitlines()
        changed = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        assert len(changed) <= 4
