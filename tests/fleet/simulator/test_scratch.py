from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from fleet.errors import UsageError
from fleet.simulator.scratch import LOCK, Scratch, choose


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_folder_is_private_and_gone_afterwards() -> None:
    scratch = Scratch()
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    (scratch.path / "anything").write_text("")
    scratch.remove()
    assert not scratch.path.exists()


def test_an_abandoned_folder_is_swept_by_the_next_demo() -> None:
    abandoned = choose()
    abandoned.parent.mkdir(mode=0o700)
    abandoned.mkdir()
    (abandoned / LOCK).touch()
    Scratch().remove()
    assert not abandoned.exists()


def test_the_last_demo_takes_the_users_folder_of_demos_away(temporary: Path) -> None:
    one, other = Scratch(), Scratch()
    one.remove()
    assert other.path.exists()
    other.remove()
    assert list(temporary.iterdir()) == []


def test_a_folder_in_use_is_left_alone() -> None:
    running = Scratch()
    Scratch().remove()
    assert running.path.exists()
    running.remove()


def test_a_folder_of_the_users_own_is_made_and_taken_away(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "mine")
    (scratch.path / "fleet.yaml").write_text("")
    scratch.remove()
    assert not (tmp_path / "mine").exists()


def test_what_the_user_put_there_meanwhile_stays(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "mine")
    (scratch.path / "fleet.yaml").write_text("")
    (scratch.path / "notes").write_text("")
    scratch.remove()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="holds files that are not a demo's"):
        Scratch(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_folder_that_a_demo_serves_from_is_refused(tmp_path: Path) -> None:
    running = Scratch(tmp_path / "mine")
    with pytest.raises(UsageError, match="A demo is being served from"):
        Scratch(tmp_path / "mine")
    running.remove()


def test_a_folder_that_ssh_cannot_be_told_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has a character that ssh configurations cannot hold"):
        Scratch(tmp_path / "100%")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        Scratch(tmp_path / "file")


def test_a_crashed_demos_folder_is_taken_over_without_its_files(tmp_path: Path) -> None:
    (tmp_path / "mine" / "hosts" / "gpu01").mkdir(parents=True)
    (tmp_path / "mine" / LOCK).touch()
    scratch = Scratch(tmp_path / "mine")
    assert [path.name for path in scratch.path.iterdir()] == [LOCK]
    scratch.remove()


def test_a_folder_others_can_write_to_is_not_used(temporary: Path) -> None:
    parent = choose().parent
    parent.mkdir(mode=0o700)
    parent.chmod(0o755)
    with pytest.raises(UsageError, match="not a folder that is yours alone"):
        Scratch()
