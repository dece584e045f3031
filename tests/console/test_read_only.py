"""A console for viewers shows, reckons and plans as an operator's does, says what it is, and cannot change anything."""

from __future__ import annotations

from argparse import Namespace

import pytest
from piloting import command, last_line, press, shown
from recorded_demo import RecordedSession
from svg_text import said
from views import MOVED

from console.app import GpudeckApp
from console.changing.kept_draft import KeptDraft
from console.commands.console import operating
from console.deck_commands import COMMANDS
from console.fleets import draft_path
from console.keys import OPERATORS_PLACES, Where, keys
from console.screens.deck import DeckScreen
from console.screens.help import help_rows
from console.screens.plan import PlanScreen
from console.session import ReadOnlyError, Session
from console.settings import Settings
from fleet.inventory.changes import Restart
from fleet.planning.draft import Draft
from widgets.header import header_row
from widgets.hints import Hints

PAST = "PAST 11-20 14:05:30, 120 d ago"
REFUSED = "This gpudeck is read-only: whatever takes an operator is not in it."


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20)])
@pytest.mark.parametrize("way", [(), ("z",), ("o",), ("z", "C")], ids=["deck", "detail", "overview", "compare"])
async def test_the_header_says_the_word(viewer_app: GpudeckApp, size: tuple[int, int], way: tuple[str, ...]) -> None:
    async with viewer_app.run_test(size=size) as pilot:
        await pilot.pause()
        text = await press(pilot, *way)
        assert "read-only" in text.splitlines()[0]


def test_the_word_and_the_time_of_the_past_are_never_left_out(viewer: RecordedSession) -> None:
    for cells in range(60, 161):
        row = header_row(viewer.state(), cells, clock="14:02", mode="read-only", past=PAST)
        words = "".join(span.text for span in row)
        assert PAST in words
        assert "read-only" in words
        assert len(words) == cells


async def test_a_draft_is_planned_with_its_commands_and_a_sentence_says_why_it_is_not_applied(
    viewer_app: GpudeckApp,
) -> None:
    async with viewer_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        text = await press(pilot, *MOVED, "p")
        assert "systemctl start whisper.service" in text
        assert "read-only" in last_line(pilot)
        assert "apply" not in last_line(pilot)
        for key in ("a", "enter"):
            assert f"{REFUSED} y copies the commands for an operator." in said(await press(pilot, key))
        assert isinstance(viewer_app.screen, PlanScreen)
        await press(pilot, "y")
        assert "systemctl start whisper.service" in viewer_app.clipboard


@pytest.mark.parametrize("text", ["rollouts", "ack KV001 2h"])
async def test_what_takes_an_operator_is_refused_with_the_reason(viewer_app: GpudeckApp, text: str) -> None:
    async with viewer_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert REFUSED in await command(pilot, text)
        assert isinstance(viewer_app.screen, DeckScreen)


async def test_neither_suggestions_nor_help_have_what_takes_an_operator(viewer_app: GpudeckApp) -> None:
    async with viewer_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "rollouts" not in await command(pilot, "dance")
        await pilot.press("colon", "r")
        assert "restart" in last_line(pilot)
        assert "rollouts" not in last_line(pilot)


def test_the_help_of_a_viewer_is_that_of_an_operator_without_what_takes_one() -> None:
    def lines(*, read_only: bool) -> list[str]:
        return ["".join(span.text for span in row) for row in help_rows({}, 200, read_only=read_only)]

    missing = [line for line in lines(read_only=False) if line not in lines(read_only=True)]
    assert {key.help for key in keys(Where.PLAN) if key.operates} <= {line[11:] for line in missing}
    for command_ in COMMANDS:
        assert command_.operates is any(line.startswith(f"  :{command_.usage}") for line in missing)
    assert all(not keys(where, read_only=True) for where in OPERATORS_PLACES)
    assert set(lines(read_only=True)) <= set(lines(read_only=False))


async def test_a_draft_an_operator_kept_is_neither_offered_nor_touched(viewer_app: GpudeckApp) -> None:
    session = viewer_app.session
    assert session.state_folder is not None
    path = draft_path(session.inventory, session.state_folder)
    KeptDraft(path, lambda: 1_800_000_000.0).keep(Draft().stage(Restart("llama-3.1-8b")), session.inventory)
    kept = path.read_bytes()
    async with viewer_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "Kept from" not in shown(pilot)
        await press(pilot, "U")
        assert not session.changes
        await press(pilot, "r")
        assert session.changes
        await press(pilot, "u")
        assert not session.changes
    assert path.read_bytes() == kept


async def test_leaving_with_a_draft_says_that_it_is_not_kept(viewer_app: GpudeckApp) -> None:
    async with viewer_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await press(pilot, "r", "q")
        assert "The draft is not kept where gpudeck is read-only. Press q again to leave." in said(shown(pilot))
        assert viewer_app.is_running
        await pilot.press("q")
    assert not viewer_app.is_running


def test_a_session_without_the_means_hands_out_no_connection_that_writes(viewer: Session) -> None:
    with pytest.raises(ReadOnlyError, match="read-only"):
        viewer.operator("gpu01")


@pytest.mark.parametrize(
    ("option", "mode", "is_read_only"),
    [(False, "operator", False), (True, "operator", True), (False, "read-only", True), (True, "read-only", True)],
)
def test_option_and_setting_both_make_it_read_only(option: bool, mode: str, is_read_only: bool) -> None:
    assert (operating(Namespace(read_only=option), Settings(mode=mode)) is None) is is_read_only


async def test_hints_of_an_operator_have_apply(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await press(pilot, *MOVED, "p")
        assert ("enter", "apply") in console_app.screen.query_one(Hints).hints
