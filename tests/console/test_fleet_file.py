"""A fleet file that somebody else changes is noticed: taken where that pulls nothing away, and else told of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from piloting import command, last_line, shown, until
from recorded_demo import RecordedSession
from svg_text import said

from console.app import GpudeckApp
from console.fleet_file import FleetFile, News
from console.wall import WallApp
from fleet.inventory.changes import Change, Disable, Move, SetArgument
from fleet.inventory.editing import edited, save
from fleet.inventory.loading import load
from fleet.model import Place

SOURCE = Path(__file__).parents[2] / "fleet" / "simulator" / "fleet.yaml"
Edit = Callable[..., None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture
def session(path: Path, tmp_path: Path) -> RecordedSession:
    return RecordedSession(load(path), tmp_path)


@pytest.fixture
def file(session: RecordedSession) -> FleetFile:
    return FleetFile(session)


@pytest.fixture
def edit(path: Path) -> Edit:
    """Changes the file as another gpudeck, or as an editor."""

    def edit(*changes: Change, old: str = "", new: str = "") -> None:
        text = path.read_text(encoding="utf-8")
        save(path, text, edited(text, changes, path).replace(old, new) if old else edited(text, changes, path))

    return edit


def looked(file: FleetFile) -> News | None:
    """What is said once the file stood still."""
    return file.look() or file.look()


def test_a_changed_file_is_taken_once_it_stands_still(file: FleetFile, session: RecordedSession, edit: Edit) -> None:
    assert looked(file) is None
    edit(Move("kb-whisper-large", Place("gpu01", (7,))), SetArgument("llama-3.1-8b", "max-num-seqs", 64))
    assert file.look() is None
    news = file.look()
    assert news == News("fleet.yaml was changed (llama-3.1-8b, kb-whisper-large), and is taken.", "good", is_taken=True)
    assert session.inventory.model("kb-whisper-large").place == Place("gpu01", (7,))
    assert session.state().model("llama-3.1-8b").model.args["max-num-seqs"] == 64
    assert looked(file) is None


def test_comments_and_what_gpudeck_writes_itself_say_nothing_new(
    file: FleetFile, session: RecordedSession, path: Path
) -> None:
    path.write_text(f"# written by hand\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    assert looked(file) is None
    move = Move("kb-whisper-large", Place("gpu01", (7,)))
    text = path.read_text(encoding="utf-8")
    session.stage(move, SetArgument("devstral-small", "gpu-memory-utilization", 0.45), Disable("gemma-3-27b"))
    changes = session.changes
    session.adopt(session.drafted())
    save(path, text, edited(text, changes, path))
    assert looked(file) is None
    assert file.reload() == News("fleet.yaml says nothing new.", "text")


def test_a_broken_file_leaves_what_was_and_is_told_of_once_with_its_place(
    file: FleetFile, session: RecordedSession, edit: Edit, path: Path
) -> None:
    before, good = session.inventory, path.read_text(encoding="utf-8")
    path.write_text(good.replace("gpus: 8", "gpus: many"), encoding="utf-8")
    line = next(number for number, line in enumerate(good.splitlines(), 1) if "gpus: 8" in line)
    news = looked(file)
    assert news is not None
    assert news.style == "error"
    assert news.words.startswith(f"fleet.yaml:{line}:")
    assert news.words.endswith("What it said before still holds.")
    assert session.inventory is before
    assert looked(file) is None
    path.write_text(good, encoding="utf-8")
    assert looked(file) is None


def test_a_file_that_is_gone_for_a_moment_is_waited_for(
    file: FleetFile, session: RecordedSession, edit: Edit, path: Path
) -> None:
    before = session.inventory
    kept = path.with_suffix(".kept")
    path.replace(kept)
    assert looked(file) is None
    kept.replace(path)
    edit(Disable("gemma-3-27b"))
    news = looked(file)
    assert news is not None
    assert news.is_taken
    assert session.inventory != before


def test_over_a_draft_it_is_only_told_of_and_reload_leaves_the_draft(
    file: FleetFile, session: RecordedSession, edit: Edit
) -> None:
    session.stage(SetArgument("llama-3.1-8b", "max-num-seqs", 64))
    edit(Disable("gemma-3-27b"))
    words = "fleet.yaml was changed (gemma-3-27b). The command reload takes it, and leaves the draft as it is."
    assert looked(file) == News(words, "warning")
    assert session.inventory.model("gemma-3-27b").enabled
    assert file.reload().is_taken
    assert not session.inventory.model("gemma-3-27b").enabled
    assert len(session.changes) == 1
    assert session.undo()
    assert not session.changes


def test_a_draft_that_makes_no_sense_over_the_new_file_is_dropped_with_a_word(
    file: FleetFile, session: RecordedSession, edit: Edit
) -> None:
    session.stage(SetArgument("kb-whisper-large", "max-num-seqs", 64))
    session.undo()
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    edit(old="  kb-whisper-large:", new="  whisper:")
    news = looked(file)
    assert news is not None
    assert "reload takes it, and drops the draft: There is no model 'kb-whisper-large'" in news.words
    news = file.reload()
    assert "The draft is dropped: There is no model 'kb-whisper-large'" in news.words
    assert not session.changes
    assert not session.redo()


@pytest.mark.parametrize(
    ("old", "new"),
    [("become: sudo", "become: none"), ("fleet: berget-sthlm", "fleet: another"), ("address: ", "address: root@")],
)
def test_what_is_read_at_the_start_wants_a_start(
    file: FleetFile, session: RecordedSession, path: Path, old: str, new: str
) -> None:
    before, text = session.inventory, path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
    news = looked(file)
    assert news is not None
    assert news.words.endswith("in what is read when gpudeck starts: leave, and start it again.")
    assert session.inventory is before


async def test_the_deck_shows_what_another_gpudeck_moved(console_app: GpudeckApp, edit: Edit) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("space")
        edit(Move("kb-whisper-large", Place("gpu01", (7,))))
        words = "fleet.yaml was changed (kb-whisper-large), and is taken."
        await until(pilot, lambda: words in last_line(pilot), words)
        assert "marked" not in last_line(pilot)
        assert any(model.name == "kb-whisper-large" for model in console_app.state.gpus[7].models)


async def test_nothing_is_pulled_out_of_the_operators_hands(
    console_app: GpudeckApp, session: RecordedSession, edit: Edit
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await pilot.press("m")
        edit(Disable("gemma-3-27b"))
        for _ in range(3):
            console_app._tick()
        assert session.inventory.model("gemma-3-27b").enabled
        await pilot.press("escape", "e")
        for _ in range(3):
            console_app._tick()
        assert session.inventory.model("gemma-3-27b").enabled
        await pilot.press("escape")
        await until(pilot, lambda: not session.inventory.model("gemma-3-27b").enabled, "the file is taken")


async def test_the_command_takes_it_over_a_draft(console_app: GpudeckApp, session: RecordedSession, edit: Edit) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await pilot.press("r")
        edit(Disable("gemma-3-27b"))
        await until(pilot, lambda: "The command reload takes it" in said(shown(pilot)), "it is told of")
        assert "is taken" in await command(pilot, "reload")
        assert not session.inventory.model("gemma-3-27b").enabled
        assert len(session.changes) == 1
        assert "says nothing new" in await command(pilot, "reload")


async def test_a_wallboard_follows_the_file_without_a_word(
    wall_app: WallApp, session: RecordedSession, edit: Edit
) -> None:
    async with wall_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        edit(Disable("gemma-3-27b"))
        await until(pilot, lambda: not session.inventory.model("gemma-3-27b").enabled, "the file is taken")
