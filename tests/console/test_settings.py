"""The settings file: every problem a sentence in its place, every binding by its id, and what it changes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from recorded_demo import RecordedSession
from svg_text import svg_text

from console.app import GpudeckApp
from console.cli import main
from console.keys import KEYS
from console.settings import Settings
from console.settings_file import (
    SettingsFileError,
    load_settings,
    own_settings,
    read_settings,
    schema,
    settings_path,
    settings_text,
)
from console.textual_private import rebind
from console.themes import THEMES
from fleet.inventory.changes import Move
from widgets.hints import Hints

PUBLISHED = Path(__file__).parents[2] / "docs" / "settings.schema.json"
HERE = Path("settings.yaml")


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own" / "settings.yaml"
    monkeypatch.setenv("GPUDECK_SETTINGS", str(path))
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("theme: drak", "settings.yaml:1:8: theme must be one of auto, dark, light,"),
        ("glyphs: [ascii]", "settings.yaml:1:9: glyphs must be one of auto, unicode, ascii."),
        ("mouze: on", "settings.yaml:1:1: there is no setting 'mouze'; did you mean mouse?"),
        ("- theme", "settings.yaml:1:1: settings are keys with values: theme, glyphs, mode, mouse, keys."),
        ("keys: m", "settings.yaml:1:7: keys must be a mapping of bindings to keys"),
        ("keys:\n  deck.cary: c", "settings.yaml:2:3: there is no binding 'deck.cary'; did you mean deck.carry?"),
        ("keys:\n  deck.carry: hyper+c", "settings.yaml:2:15: deck.carry has the key 'hyper+c', which no keyboard"),
        ("keys:\n  deck.carry: ''", "settings.yaml:2:15: deck.carry must be a key"),
        ("keys:\n  deck.carry: e", "settings.yaml:2:15: deck.carry takes the key e, which deck.edit has."),
        ("keys:\n  deck.carry: '?'", "takes the key question_mark, which deck.help has."),
        ("theme: dark\ntheme: light", "settings.yaml:2:1: "),
        ("theme: {", "settings.yaml:"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(SettingsFileError, match=re.escape(problem)):
        read_settings(text, HERE)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(SettingsFileError) as caught:
        read_settings("theme: drak\nmouse: maybe\nkeys: {deck.carry: e, deck.nothing: n}\n", HERE)
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 3]


def test_two_bindings_may_change_keys_with_each_other() -> None:
    assert read_settings("keys: {deck.carry: e, deck.edit: m}", HERE).keys == {"deck.carry": "e", "deck.edit": "m"}


def test_a_key_is_written_as_its_character_or_by_its_name() -> None:
    keys = read_settings("keys:\n  deck.zoom: '='\n  deck.plan: 'f5, ctrl+p, @'\n", HERE).keys
    assert keys == {"deck.zoom": "equals_sign", "deck.plan": "f5,ctrl+p,at"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "keys:\n", "theme: auto"])
def test_a_file_that_says_nothing_leaves_everything_as_usual(text: str) -> None:
    assert read_settings(text, HERE) == Settings()


def test_the_file_that_init_writes_says_the_usual_and_can_be_taken_in_line_by_line(own_file: Path) -> None:
    assert main(["config", "init"]) == 0
    text = own_file.read_text(encoding="utf-8")
    assert load_settings(own_file) == Settings()
    own_file.write_text(re.sub(r"^# (?=theme:|glyphs:|mouse:|keys:|  )", "", text, flags=re.MULTILINE))
    taken_in = load_settings(own_file)
    assert taken_in.keys == {key.id: key.keys for key in KEYS}
    assert main(["config", "init"]) == 2


def test_show_prints_a_file_that_means_the_same(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_file.parent.mkdir()
    own_file.write_text("theme: light\nkeys: {deck.carry: c}\n")
    assert main(["config", "show"]) == 0
    shown = read_settings(capsys.readouterr().out, HERE)
    assert (shown.theme, shown.keys["deck.carry"], shown.keys["deck.edit"]) == ("light", "c", "e")


def test_validate_says_what_is_wrong_and_exits_with_2(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_file.parent.mkdir()
    own_file.write_text("theme: drak\n")
    assert main(["config", "validate"]) == 2
    assert f"{own_file}:1:8: theme must be" in capsys.readouterr().err
    own_file.write_text("theme: dark\n")
    assert main(["config", "validate"]) == 0
    assert main(["config", "validate", str(own_file.with_name("none.yaml"))]) == 2


def test_the_file_is_in_the_users_folder_unless_named() -> None:
    assert settings_path({}, Path("/home/op/.config/gpudeck")) == Path("/home/op/.config/gpudeck/settings.yaml")
    assert settings_path({"GPUDECK_SETTINGS": "/etc/s.yaml"}, Path("/x")) == Path("/etc/s.yaml")


def test_the_published_schema_is_the_one_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == schema(), "a key changed: gpudeck config schema > docs/settings.schema.json"
    bindings = schema()["properties"]["keys"]["properties"]
    assert {id_: about["default"] for id_, about in bindings.items()} == {key.id: key.keys for key in KEYS}
    assert schema()["properties"]["theme"]["enum"] == ["auto", *THEMES]


def test_a_bad_file_keeps_nobody_out(own_file: Path) -> None:
    own_file.parent.mkdir()
    own_file.write_text("theme: drak\nmouse: maybe\n")
    settings, remark = own_settings()
    assert settings == Settings()
    assert remark.startswith(f"The usual settings hold: {own_file}:1:8: theme must be")
    assert "1 more: gpudeck config validate" in remark


@pytest.mark.parametrize(
    "text", ["mode: read-only\ntheme: drak\n", "theme: [\nmode: read-only", "mouze: on\nmode: read-only"]
)
def test_a_typo_is_no_way_out_of_read_only(own_file: Path, text: str) -> None:
    own_file.parent.mkdir()
    own_file.write_text(text)
    settings, remark = own_settings()
    assert settings == Settings(mode="read-only")
    assert remark


async def test_a_remark_on_the_settings_is_the_first_that_is_said(session: RecordedSession) -> None:
    app = GpudeckApp(session, live=False, remark="The usual settings hold: oops.")
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "The usual settings hold: oops." in svg_text(app.export_screenshot())


async def test_a_binding_with_other_keys_takes_those_and_gives_up_its_own(session: RecordedSession) -> None:
    settings = read_settings("keys: {deck.carry: c, deck.findings: F, carrying.drop: 'd,enter'}", HERE)
    app = GpudeckApp(session, live=False, environment={}, settings=settings)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("down", "m")
        assert ("c", "move") in app.screen.query_one(Hints).hints
        await pilot.press("c", "f")
        assert ("f", "best fit") in app.screen.query_one(Hints).hints
        await pilot.press("d")
        assert [type(change) for change in session.changes] == [Move]
        await pilot.press("question_mark")
        assert re.search(r" c +pick the model up", svg_text(app.export_screenshot()))
        await pilot.press("escape", "F")
        assert app.screen.__class__.__name__ == "FindingsScreen"


async def test_bindings_that_are_not_changed_stay_as_they_are(console_app: GpudeckApp) -> None:
    async with console_app.run_test():
        before = {key: list(found) for key, found in console_app.screen._bindings.key_to_bindings.items()}
        rebind(console_app.screen, {"deck.carry": "c"})
        after = console_app.screen._bindings.key_to_bindings
        assert {key: found for key, found in after.items() if key != "c"} == {
            key: found for key, found in before.items() if key != "m"
        }


@pytest.mark.parametrize(
    ("mouse", "environment", "wanted"),
    [
        ("auto", {}, True),
        ("auto", {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False),
        ("on", {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, True),
        ("off", {}, False),
    ],
)
def test_the_mouse_is_left_alone_over_ssh(mouse: str, environment: dict[str, str], wanted: bool) -> None:
    assert Settings(mouse=mouse).wants_mouse(environment) is wanted


def test_the_text_of_settings_is_the_settings() -> None:
    settings = Settings(theme="light", glyphs="ascii", mouse="off")
    again = read_settings(settings_text(settings), HERE)
    assert (again.theme, again.glyphs, again.mouse) == ("light", "ascii", "off")
