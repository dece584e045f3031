"""A draft outlives its console: it is kept as it is made, offered again, and never staged by itself."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from piloting import last_line
from recorded_demo import RecordedSession

from console.app import GpudeckApp
from console.changing.kept_draft import KeptDraft, Offer
from console.fleets import draft_path
from fleet.errors import GpudeckError
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, SetArgument
from fleet.model import Engine, Model, Place
from fleet.planning.draft import Draft

FLEET = Inventory(
    "test",
    (Host("gpu01", "gpu01", "MI300X", 8),),
    (
        Model("a", Engine("vllm"), place=Place("gpu01", (0,))),
        Model("new", Engine("vllm"), enabled=False),
    ),
)
EVERY_KIND: tuple[Change, ...] = (
    Move("a", Place("gpu01", (4, 5, 6))),
    Move("new", Place("gpu01", (1,))),
    SetArgument("a", "max-model-len", 32768),
    SetArgument("a", "dtype", None),
    Enable("new"),
    Restart("a"),
    Disable("a"),
)


def _document(kept: str) -> str:
    restart = '{"change": "restart", "model": "a"}'
    return f'{{"schema": "gpudeck/draft/1", "over": "", "kept": {kept}, "changes": [{restart}]}}'


def kept_in(folder: Path) -> KeptDraft:
    return KeptDraft(folder / "state" / "test.draft", lambda: 1_800_000_000.0)


def test_a_draft_is_offered_as_it_was_kept(tmp_path: Path, utc: None) -> None:
    kept_in(tmp_path).keep(Draft().stage(*EVERY_KIND), FLEET)
    offer = kept_in(tmp_path).offer(FLEET, "U")
    assert offer.changes == EVERY_KIND
    assert offer.words == "Kept from 2027-01-15 08:00: move a to gpu01/4-6 and 6 more. U stages it again."


def test_only_the_operator_may_read_it(tmp_path: Path) -> None:
    kept_in(tmp_path).keep(Draft().stage(Restart("a")), FLEET)
    (path,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_draft_there_is_no_file_and_no_offer(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    draft = Draft().stage(Restart("a"))
    kept.keep(draft, FLEET)
    kept.keep(draft.undo(), FLEET)
    assert not list((tmp_path / "state").iterdir())
    assert kept.offer(FLEET, "U") == Offer()


def test_a_draft_of_a_fleet_that_moved_on_is_dropped_with_a_sentence(tmp_path: Path, utc: None) -> None:
    kept_in(tmp_path).keep(Draft().stage(Restart("a")), FLEET)
    later = replace(FLEET, models=FLEET.models[:1])
    words = "The draft of 2027-01-15 08:00 is dropped: the fleet file has moved on since."
    assert kept_in(tmp_path).offer(later, "U") == Offer(words=words)
    assert kept_in(tmp_path).offer(FLEET, "U") == Offer()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", _document("1e99"), _document('"yesterday"'), _document("NaN"), "\udcff", "[" * 100_000],
)
def test_a_file_that_holds_no_draft_is_dropped_with_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "test.draft"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "cannot be read, and is dropped" in KeptDraft(path, lambda: 0.0).offer(FLEET, "U").words
    assert not path.exists()


def test_where_it_cannot_be_kept_a_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(GpudeckError, match=r"cannot be kept in .* ends with this console"):
        kept_in(tmp_path).keep(Draft().stage(Restart("a")), FLEET)


def another_console(session: RecordedSession) -> tuple[GpudeckApp, RecordedSession]:
    """A console started after the first was cut off."""
    assert session.state_folder
    again = RecordedSession(session.inventory, session.state_folder)
    return GpudeckApp(again, live=False, time_of_day=lambda: "14:03", environment={}), again


async def test_after_a_dropped_line_the_draft_is_offered_and_one_key_stages_it(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m", "8", "enter", "r")
        staged = session.changes
    app, again = another_console(session)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "move kb-whisper-large to gpu01/7 and 1 more. U stages it again" in last_line(pilot)
        assert not again.changes
        await pilot.press("U")
        assert again.changes == staged
        await pilot.press("u")
        assert not again.changes
    app, _ = another_console(session)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "Kept from" not in last_line(pilot)


async def test_a_draft_that_became_what_runs_is_no_longer_kept(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("r")
        assert session.state_folder
        path = draft_path(session.inventory, session.state_folder)
        assert path.exists()
        session.adopt(session.drafted())
        assert not path.exists()
