"""Hints for the first minutes: said until their key is used, never again after that, and with the keys that are set."""

from __future__ import annotations

from pathlib import Path

import pytest
from piloting import last_line, shown, until
from recorded_demo import RecordedSession

from console.app import GpudeckApp
from console.first_hints import HINTS, FirstHints
from console.keys import KEYS
from console.settings import Settings
from fleet.inventory.changes import SetArgument

CARRY = "m picks the model up"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "hints"


def console(session: RecordedSession, path: Path, settings: Settings | None = None) -> GpudeckApp:
    return GpudeckApp(session, hints=FirstHints(path), live=False, environment={}, settings=settings)


async def test_a_hint_stands_beside_the_keys_until_its_key_was_used(session: RecordedSession, path: Path) -> None:
    app = console(session, path)
    async with app.run_test(size=(200, 48)) as pilot:
        await pilot.pause()
        assert CARRY in last_line(pilot)
        assert "m move" in last_line(pilot)
        await pilot.press("m", "escape")
        assert CARRY not in last_line(pilot)
        assert "f goes through what is wrong" in last_line(pilot)
    async with console(session, path).run_test(size=(200, 48)) as pilot:
        await pilot.pause()
        assert "f goes through what is wrong" in last_line(pilot)


async def test_a_draft_has_a_hint_of_its_own(session: RecordedSession, path: Path) -> None:
    async with console(session, path).run_test(size=(200, 48)) as pilot:
        await pilot.press("r")
        assert "draft: 1 change   p turns the draft into steps" in last_line(pilot)


async def test_dismissed_hints_never_come_back(session: RecordedSession, path: Path) -> None:
    async with console(session, path).run_test(size=(200, 48)) as pilot:
        await pilot.press("escape")
        assert "no hints" not in last_line(pilot)
        await pilot.press("r")
        assert "turns the draft" not in last_line(pilot)
    known = FirstHints(path)
    assert not known.words({}, drafted=False)
    assert not known.words({}, drafted=True)


async def test_a_hint_names_the_key_that_is_set(session: RecordedSession, path: Path) -> None:
    app = console(session, path, Settings(keys={"deck.carry": "f9"}))
    async with app.run_test(size=(200, 48)) as pilot:
        await pilot.pause()
        assert "f9 picks the model up" in last_line(pilot)
        await pilot.press("f9", "escape")
        assert "picks the model up" not in last_line(pilot)


@pytest.mark.parametrize(("size", "how_to_end"), [((80, 24), "(esc: no hints)"), ((60, 20), "")])
async def test_on_a_narrow_screen_a_hint_stands_where_the_findings_leave_a_row(
    session: RecordedSession, path: Path, size: tuple[int, int], how_to_end: str
) -> None:
    def stands(words: str) -> bool:
        above, hint, keys = shown(pilot).splitlines()[-3:]
        return "MEM002" in above and hint.strip() == f"{words} {how_to_end}".strip() and "m move" in keys

    async with console(session, path).run_test(size=size) as pilot:
        words = "m picks the model up; every GPU says whether it fits"
        await until(pilot, lambda: stands(words), "there is a hint, and nothing gives way to it")
        await pilot.press("m", "escape")
        words = "f goes through what is wrong, and stages fixes"
        await until(pilot, lambda: stands(words), "there is the next")


async def test_on_a_narrow_screen_findings_come_before_hints(session: RecordedSession, path: Path) -> None:
    session.stage(SetArgument("devstral-small", "gpu-memory-utilization", 0.75))
    async with console(session, path).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "✖ DRAFT   MEM002" in shown(pilot), "there are two findings")
        assert "turns the draft into steps" not in shown(pilot)


async def test_a_console_without_hints_says_none(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(200, 48)) as pilot:
        await pilot.press("escape")
        assert CARRY not in last_line(pilot)


@pytest.mark.parametrize("text", ["", "nonsense", "7", '{"a": 1}', "[7]"])
def test_a_file_that_holds_no_list_of_hints_is_begun_anew(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    assert CARRY in FirstHints(path).words({}, drafted=False)


def test_where_nothing_can_be_written_hints_are_dismissed_for_this_console(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    hints = FirstHints(tmp_path / "file" / "hints")
    hints.dismiss()
    assert not hints.words({}, drafted=False)


def test_every_hint_is_of_a_key_there_is() -> None:
    assert {hint.id for hint in HINTS} <= {key.id for key in KEYS}
