"""Rewinding the deck: the whole of it shows a recorded moment, and nothing can be changed there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from piloting import answer, press
from recorded_demo import READ_AT, RecordedSession, recorded_snapshot
from rewound import NOON, Recorded, used
from svg_text import said, svg_text

from console.app import GpudeckApp
from console.history.recording import path_of
from console.keys import Where, keys
from console.wall import WallApp
from fleet.inventory.changes import Disable, Restart
from fleet.readings import Link
from fleet.state import ModelWord
from widgets.deck import Deck

ROOM = (160, 48)


def header(shown: str) -> str:
    return shown.splitlines()[0]


def last_line(shown: str) -> str:
    return said(shown)


async def test_a_step_back_shows_the_recorded_moment_and_says_which(
    console_app: GpudeckApp, past: Callable[[int], None]
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        shown = await press(pilot, "left_square_bracket")
        assert "PAST 07:59:55, 10 s ago" in header(shown)
        assert "101.0/192.0" in shown
        assert "71°C" in shown
        shown = await press(pilot, *["left_square_bracket"] * 3)
        assert "PAST 07:59:40, 20 s ago" in header(shown)
        assert "104.0/192.0" in shown
        shown = await press(pilot, "right_square_bracket")
        assert "103.0/192.0" in shown


@pytest.mark.parametrize("way", [["escape"], ["right_square_bracket"] * 2])
async def test_the_way_back_to_now(console_app: GpudeckApp, past: Callable[[int], None], way: list[str]) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        before = svg_text(console_app.export_screenshot())
        assert "PAST" in await press(pilot, *["left_square_bracket"] * 2)
        assert await press(pilot, *way) == before


async def test_steps_grow_with_the_age_of_the_moment_and_leap_over_what_was_not_recorded(
    console_app: GpudeckApp, past: Callable[[int], None]
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        assert "PAST 07:54:00, 6 min ago" in header(await answer(pilot, "t", "-6m"))
        assert "PAST 07:55:00" in header(await press(pilot, "right_square_bracket"))
        assert "PAST 07:54:55" in header(await press(pilot, "left_square_bracket"))
        await press(pilot, "left_square_bracket", "left_square_bracket")
        shown = await press(pilot, "left_square_bracket")
        assert "PAST 07:00:00, 1 h ago" in header(shown)
        assert "PAST 07:53:00" in header(await press(pilot, "right_square_bracket"))


async def test_models_are_where_they_were_and_as_they_were(
    console_app: GpudeckApp, past: Callable[[int], None]
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await answer(pilot, "t", "07:30")
        await pilot.press("8")
        assert "kb-whisper-large" in console_app.screen.query_one(Deck)._names()
        await answer(pilot, "t", "-330s")
        assert console_app.state.model("devstral-small").word == "failed"
        assert "kb-whisper-large" not in console_app.screen.query_one(Deck)._names()
        model = console_app.session.state().model("llama-3.1-8b")
        assert console_app.state.model("llama-3.1-8b").engine.kv_usage == pytest.approx(model.engine.kv_usage, abs=1e-4)


async def test_before_anything_was_recorded_of_a_model_it_is_unknown_where_it_is_today(
    console_app: GpudeckApp, session: RecordedSession, utc: None
) -> None:
    recorded = Recorded(session)
    recorded.publish(replace(recorded_snapshot(Link.UNREACHABLE, "no route to host"), reading=None), NOON - 600)
    recorded.publish(recorded_snapshot(), NOON - 300)
    recorded.close()
    console_app.rewind.clock = lambda: NOON
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await answer(pilot, "t", "-8m")
        model = console_app.state.model("llama-3.1-8b")
        assert (model.word, model.model.enabled) == (ModelWord.UNKNOWN, True)
        assert "llama-3.1-8b" in console_app.screen.query_one(Deck)._names()
        await answer(pilot, "t", "-2m")
        assert console_app.state.model("llama-3.1-8b").word is ModelWord.SERVING
        assert console_app.state.model("qwen3-235b").word is ModelWord.DISABLED


async def test_findings_that_stood_then_are_shown_without_fixes(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        shown = await press(pilot, "left_square_bracket")
        now = {(finding.code, finding.subject, finding.headline) for finding in session.state().findings}
        assert now
        assert now <= {(finding.code, finding.subject, finding.message) for finding in console_app.state.findings}
        assert "fix:" not in shown
        shown = await press(pilot, "f")
        assert "no computed fix" in shown


async def test_new_readings_do_not_move_the_past(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        before = await press(pilot, "left_square_bracket")
        session.board.publish(used(replace(recorded_snapshot(), read_at=READ_AT + 9), 180))
        console_app.show_state()
        assert await press(pilot) == before
        past(NOON + 600)
        console_app.show_state()
        assert "PAST 07:59:55, 10 min ago" in header(await press(pilot))
        assert "180.0/192.0" in await press(pilot, "escape")


@pytest.mark.parametrize("key", [key for key in keys(Where.DECK) if key.changes], ids=lambda key: key.action)
async def test_what_changes_something_is_refused_with_the_reason(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession, key: object
) -> None:
    session.stage(Restart("devstral-small"))
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await press(pilot, "left_square_bracket")
        shown = await press(pilot, key.keys)  # type: ignore[attr-defined]
        assert "This is the past: nothing can be staged" in last_line(shown)
        assert "PAST" in header(shown)
        assert session.changes == (Restart("devstral-small"),)


@pytest.mark.parametrize("command", ["restart llama-3.1-8b", "undo", "plan", "edit llama-3.1-8b", "clear"])
async def test_a_command_that_changes_something_is_refused_too(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession, command: str
) -> None:
    session.stage(Restart("devstral-small"))
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await press(pilot, "left_square_bracket")
        shown = await answer(pilot, "colon", command)
        assert "This is the past: nothing can be staged" in last_line(shown)
        assert session.changes == (Restart("devstral-small"),)


async def test_nothing_is_staged_in_the_past_from_anywhere(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await press(pilot, "left_square_bracket")
        assert not console_app.stage(Disable("llama-3.1-8b"))
        assert not session.changes


async def test_events_are_gone_to_and_told(console_app: GpudeckApp, past: Callable[[int], None]) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        shown = await press(pilot, "left_curly_bracket")
        assert "PAST 07:55:00, 5 min ago" in header(shown)
        assert "devstral-small is serving, was failed" in last_line(shown)
        shown = await press(pilot, "left_curly_bracket")
        assert "PAST 07:54:00, 6 min ago" in header(shown)
        assert "devstral-small is failed, was serving" in last_line(shown)
        assert "PAST 07:55:00" in header(await press(pilot, "right_curly_bracket"))
        shown = await press(pilot, "right_curly_bracket")
        assert "Nothing happened after 01-15 07:55:00." in last_line(shown)
        assert "PAST 07:55:00" in header(shown)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("yesterday", "'yesterday' is not a time; write 14:05"),
        ("01-16 10:00", "01-16 10:00 is still to come."),
        ("01-01 10:00", "Nothing is recorded before 01-15 07:00:00."),
        ("07:30", "Nothing is recorded of 01-15 07:30:00; this is the last before it."),
    ],
)
async def test_a_time_that_cannot_be_gone_to_is_a_sentence(
    console_app: GpudeckApp, past: Callable[[int], None], typed: str, words: str
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        assert words in last_line(await answer(pilot, "t", typed))


async def test_a_filter_stays_while_a_time_is_typed_and_given_up(
    console_app: GpudeckApp, past: Callable[[int], None]
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.press("slash", *"healthy", "enter", "t", "1", "escape")
        assert "filter: healthy" in last_line(await press(pilot))


async def test_without_a_history_a_step_says_so(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        shown = await press(pilot, "left_square_bracket")
        assert "Nothing is recorded yet." in last_line(shown)
        assert "PAST" not in shown


async def test_a_history_that_cannot_be_read_is_a_sentence_and_the_present_stays(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    path_of(session).write_text("nothing a database would hold " * 100)
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        shown = await press(pilot, "left_square_bracket")
        assert "cannot be read" in " ".join(shown.split())
        assert "PAST" not in shown


async def test_a_moment_of_a_lost_host_shows_it_lost(session: RecordedSession, console_app: GpudeckApp) -> None:
    recorded = Recorded(session)
    recorded.publish(recorded_snapshot(), NOON - 60)
    recorded.publish(recorded_snapshot(Link.LOST, "gpu01 has given no reading for 10 s."), NOON - 40)
    recorded.publish(recorded_snapshot(), NOON - 10)
    recorded.close()
    console_app.rewind.clock = lambda: NOON
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await press(pilot, "left_curly_bracket")
        shown = await press(pilot, "left_curly_bracket")
        assert shown.count("LOST") == 8
        assert console_app.state.model("llama-3.1-8b").word == "unknown"
        assert console_app.state.gpus[0].used_bytes is None


async def test_keys_pressed_while_the_file_is_read_are_not_lost_and_one_thread_reads(
    console_app: GpudeckApp, past: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:

    begun, go_on = asyncio.Event(), asyncio.Event()
    real, reads = asyncio.to_thread, 0

    async def slow(*call: object) -> object:
        nonlocal reads
        reads += 1
        begun.set()
        await go_on.wait()
        return await real(*call)  # type: ignore[arg-type]

    monkeypatch.setattr("console.past.rewind.asyncio.to_thread", slow)
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await pilot.press("left_square_bracket")
        await begun.wait()
        await pilot.press(*["left_square_bracket"] * 4)
        go_on.set()
        assert "PAST 07:59:35" in header(await press(pilot))
        assert reads == 2


async def test_esc_while_the_file_is_read_is_the_last_word(
    console_app: GpudeckApp, past: Callable[[int], None]
) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await press(pilot, "left_square_bracket")
        shown = await press(pilot, "left_square_bracket", "escape")
        assert "PAST" not in shown


async def test_findings_of_the_past_do_not_say_now(console_app: GpudeckApp, past: Callable[[int], None]) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        assert "NOW     MEM002" in svg_text(console_app.export_screenshot())
        shown = await press(pilot, "left_square_bracket")
        assert "THEN    MEM002" in shown
        assert "NOW" not in shown
        assert "NOW" not in await press(pilot, "f")


async def test_a_gpu_is_zoomed_into_as_it_was(console_app: GpudeckApp, past: Callable[[int], None]) -> None:
    async with console_app.run_test(size=(160, 80)) as pilot:
        await pilot.pause()
        await answer(pilot, "t", "-330s")
        shown = await press(pilot, "2", "z")
        assert "PAST 07:54:30, 5 min ago" in header(shown)
        assert "devstral-small   failed" in shown
        assert "not recorded" in shown
        shown = await press(pilot, "escape", "1", "z")
        (memory,) = [line for line in shown.splitlines() if "memory" in line and "peak 180.0 GiB" in line]
        assert 166 <= float(memory.partition("now")[2].split()[0]) < 180
        assert "PAST" in header(await press(pilot, "escape"))


async def test_a_filter_works_on_the_past(console_app: GpudeckApp, past: Callable[[int], None]) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await answer(pilot, "t", "-330s")
        await answer(pilot, "slash", "!healthy")
        faint = {name for pane in console_app.screen.query_one(Deck)._panes for name in pane.view.faint}
        assert "devstral-small" not in faint
        assert "deepcoder-14b" in faint


@pytest.mark.parametrize("size", [(200, 60), (160, 48), (120, 36), (80, 24), (60, 20)])
async def test_the_past_is_said_at_every_size(
    console_app: GpudeckApp, past: Callable[[int], None], size: tuple[int, int]
) -> None:
    async with console_app.run_test(size=size) as pilot:
        await pilot.pause()
        lines = (await press(pilot, "left_square_bracket")).splitlines()
        assert "PAST 07:59:55, 10 s ago" in lines[0]
        assert max(map(len, lines)) <= size[0]


@pytest.mark.parametrize("truecolor", [True, False])
async def test_the_past_is_grey(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession, truecolor: bool
) -> None:
    if not truecolor:
        console_app._environment = {}
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()

        def looks() -> set[tuple[object, object]]:
            pane = console_app.screen.query_one(Deck)._panes[1]
            found = (segment.style for y in range(1, 8) for segment in pane.render_line(y))
            return {(style.color and style.color.name, style.dim) for style in found if style}

        now = looks()
        await press(pilot, "left_square_bracket")
        then = looks()
        assert len(then) < len(now)
        await press(pilot, "escape")
        assert looks() == now


async def test_the_wallboard_does_not_rewind(wall_app: WallApp, past: Callable[[int], None], tmp_path: Path) -> None:
    async with wall_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        assert "PAST" not in await press(pilot, "left_square_bracket", "t", "left_curly_bracket")
