"""The deck's command line: what is typed after a colon."""

from __future__ import annotations

import pytest
from piloting import command
from recorded_demo import RecordedSession, recorded_snapshot
from svg_text import svg_text
from textual.widgets import Input

from console.app import GpudeckApp
from console.deck_commands import COMMANDS, suggestions
from console.screens.commanding import CommandingScreen
from console.screens.detail import DetailScreen
from console.screens.edit import EditScreen
from console.screens.help import HelpScreen
from console.screens.logs import LogsScreen
from fleet.inventory.changes import Disable, Move, Restart, SetArgument
from fleet.model import GpuId, Place
from fleet.readings import Link
from widgets.deck import Deck


async def test_commands_stage_what_keys_stage(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await command(pilot, "move devstral-small=gpu01/7")
        await command(pilot, "set devstral-small.max-num-seqs=8")
        await command(pilot, "restart llama-3.3-70b")
        assert [type(change) for change in session.changes][:2] == [Move, SetArgument]
        assert session.changes[0] == Move("devstral-small", Place("gpu01", (7,)))
        await command(pilot, "undo")
        await command(pilot, "disable kb-whisper-large")
        assert session.changes[-1] == Disable("kb-whisper-large")
        assert not any(isinstance(change, Restart) for change in session.changes)
        await command(pilot, "clear")
        assert not session.changes


async def test_go_puts_the_cursor_on_a_gpu_or_a_model(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        deck = console_app.screen.query_one(Deck)
        await command(pilot, "go gpu01/5")
        assert deck.gpu == GpuId("gpu01", 5)
        await command(pilot, "go devstral-small")
        assert (deck.gpu, deck.model) == (GpuId("gpu01", 1), "devstral-small")


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ("zoom gpu01/3", DetailScreen),
        ("edit gemma-3-27b", EditScreen),
        ("logs gemma-3-27b", LogsScreen),
        ("help", HelpScreen),
    ],
)
async def test_commands_open_screens(console_app: GpudeckApp, text: str, screen: type) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await command(pilot, text)
        assert isinstance(console_app.screen, screen)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("moev x", "There is no command 'moev'. Did you mean move?"),
        ("move", "move takes MODEL=HOST/GPUS."),
        ("undo it", "undo takes nothing."),
        ("logs nobody", "There is no model 'nobody'"),
        ("go nowhere", "There is no GPU and no running model 'nowhere'"),
        ("zoom gpu01/99", "There is no GPU 'gpu01/99'"),
        ("zoom 3", "3"),
        ("theme pink", "theme is one of auto, dark"),
        ("set gemma-3-27b", "names no value"),
    ],
)
async def test_a_command_that_makes_no_sense_is_answered_and_changes_nothing(
    console_app: GpudeckApp, session: RecordedSession, text: str, words: str
) -> None:
    async with console_app.run_test(size=(200, 48)) as pilot:
        assert words in await command(pilot, text)
        assert not session.changes
        assert isinstance(console_app.screen, CommandingScreen)


async def test_nothing_is_staged_on_a_host_that_is_not_read(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.board.publish(recorded_snapshot(Link.LOST, "no answer"))
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "nothing can be staged there" in await command(pilot, "restart gemma-3-27b")
        assert not session.changes


async def test_a_theme_is_tried_at_once(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await command(pilot, "theme high-contrast")
        assert console_app.theme == "gpudeck-high-contrast"
        await command(pilot, "glyphs ascii")
        assert svg_text(console_app.export_screenshot()).isascii()


async def test_while_typing_the_command_is_explained_and_completed(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("colon", *"the")
        await pilot.pause()
        assert "theme NAME: take other colours" in svg_text(console_app.export_screenshot()).splitlines()[-1]
        await pilot.press("tab")
        assert console_app.screen.query_one(Input).value == "theme auto"


async def test_a_filter_stays_while_a_command_is_typed(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash", *"role=code", "enter", "colon", *"und", "escape")
        assert "filter: role=code" in svg_text(console_app.export_screenshot())


async def test_the_commands_given_before_are_remembered_apart_from_filters(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("slash", *"gemma", "enter")
        await command(pilot, "go gpu01/5")
        await pilot.press("colon", "up")
        assert console_app.screen.query_one(Input).value == "go gpu01/5"


async def test_every_suggestion_that_is_whole_is_a_command_that_makes_sense(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)):
        screen = console_app.screen
        assert isinstance(screen, CommandingScreen)
        lines = list(suggestions(screen))
    assert {line.partition(" ")[0] for line in lines} == {each.word for each in COMMANDS}
    assert "logs gemma-3-27b" in lines
    assert "move gemma-3-27b=" in lines


async def test_what_a_command_lacks_is_said_of_the_command_and_whole_on_a_narrow_screen(
    console_app: GpudeckApp,
) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        said = await command(pilot, "move llama-3.1-8b gpu01/7")
        assert " move 'llama-3.1-8b gpu01/7' names no place. Write it as move MODEL=HOST/GPUS." in said
        await pilot.press("right")
        assert "names no place" not in svg_text(pilot.app.export_screenshot())


async def test_help_begins_with_the_keys_of_where_one_is(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        for before, title in (("", "On the deck"), ("m", "Carrying a model"), ("o", "Overview")):
            await pilot.press(*filter(None, [before]), "question_mark")
            text = svg_text(pilot.app.export_screenshot())
            assert min(("On the deck", "Carrying a model", "Overview"), key=lambda t: text.find(t) % 10**6) == title
            await pilot.press("escape", "escape")
