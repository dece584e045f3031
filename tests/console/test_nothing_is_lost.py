"""Without colour, and in ASCII, the screens say all they say with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from recorded_demo import RecordedSession
from rich.cells import cell_len
from svg_text import svg_text

from console.app import GpudeckApp
from console.ascii import SIGNS, ascii_text, wants_ascii
from console.deck_views import Doing, pane_views
from console.filter import parse
from console.settings import Settings
from fleet.findings import Severity
from fleet.inventory.changes import Disable, Move
from fleet.model import GpuId, Place
from fleet.planning.carry import Fit, Hand, Verdict
from fleet.readings import Link
from widgets.bar import GLYPHS
from widgets.findings_list import SIGNS as SEVERITY_SIGNS
from widgets.gpu_pane import line_row, pane_rows
from widgets.pane_view import PaneView, verdict_text
from widgets.rows import Row
from widgets.sparkline import LEVELS

SCREENS = {
    "deck": (),
    "carrying": ("down", "m", "8"),
    "after": ("down", "m", "8", "enter", "v"),
    "plan": ("down", "m", "8", "enter", "p"),
    "findings": ("f",),
    "edit": ("e",),
    "detail": ("z",),
    "help": ("question_mark",),
    "jumping": ("semicolon",),
    "filtered": ("slash", *"role=chat", "enter"),
}


def verdict(session: RecordedSession) -> Verdict:
    """What GPU 0 says to a model."""
    fleet = session.inventory
    return Hand(fleet, (fleet.model("gemma-3-27b"),), session.totals, session.starts).verdict(GpuId("gpu01", 0))


def views(session: RecordedSession) -> list[PaneView]:
    """One GPU in everything that colours tell of it."""
    state = session.state()
    plain = pane_views(state, Doing())[0]
    model = plain.gpu.models[0]
    found = [plain, replace(plain, is_cursor=True), replace(plain, is_cursor=True, selected=model.name)]
    found += [replace(view, marked=frozenset({model.name})) for view in (plain, found[-1])]
    found += [replace(plain, link=link, age_seconds=12.0) for link in (Link.STALE, Link.LOST, Link.UNREACHABLE)]
    answer = verdict(session)
    found += [replace(plain, verdict=replace(answer, fit=fit)) for fit in Fit]
    for text in ("role=nothing", f"model={model.name}", f"!model={model.name}"):
        found.append(pane_views(state, Doing(wanted=parse(text)))[0])
    for change in (Disable(model.name), Move("gemma-3-27b", Place("gpu01", (0,)))):
        after = session.what_if(change)
        found.append(pane_views(state, Doing(after=after))[0])
        found.append(pane_views(state, Doing(after=after, show_after=True))[0])
    return found


def text_of(rows: Sequence[Row]) -> str:
    return "\n".join("".join(span.text for span in row).rstrip() for row in rows)


@pytest.mark.parametrize("make", [str, ascii_text], ids=["no colour", "ASCII"])
@pytest.mark.parametrize("size", [(60, 20), (38, 10), (80, 1)])
def test_panes_that_differ_in_colour_read_differently(
    session: RecordedSession, size: tuple[int, int], make: type[str]
) -> None:
    width, height = size
    drawn = [[line_row(view, width)] if height == 1 else pane_rows(view, width, height) for view in views(session)]
    for one, other in combinations(drawn, 2):
        assert one == other or make(text_of(one)) != make(text_of(other)), text_of(one)


def test_signs_that_stand_for_different_things_stay_different_in_ascii(session: RecordedSession) -> None:
    verdicts = [replace(verdict(session), fit=fit) for fit in Fit]
    families: tuple[list[str], ...] = (
        [glyph for kind, glyph in GLYPHS.items() if kind != "live"],  # a bar is of kinds, or of what is measured
        list(LEVELS),
        [SEVERITY_SIGNS[severity][0] for severity in Severity],
        [verdict_text(each).split()[0] for each in verdicts if each.fit not in (Fit.SHORT, Fit.HERE)],
        ["━", "─"],
        ["▶", " "],
        ["▸", "◆", "◇", " "],
    )
    for family in families:
        assert len({ascii_text(sign) for sign in family}) == len(set(family)), family


def test_a_sign_in_ascii_takes_the_same_cells() -> None:
    assert {sign: cell_len(sign) for sign in SIGNS} == {sign: len(ascii_text(sign)) for sign in SIGNS}
    assert ascii_text("naïve 速い [x]") == "naive ???? [x]"


@pytest.mark.parametrize("screen", list(SCREENS))
async def test_every_screen_in_ascii_has_the_same_words_in_the_same_places(
    console_app: GpudeckApp, screen: str
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press(*SCREENS[screen])
        await console_app.workers.wait_for_complete()
        await pilot.pause()
        signs = svg_text(console_app.export_screenshot()).splitlines()
        console_app.look(Settings(glyphs="ascii"))
        await pilot.pause()
        drawn = svg_text(console_app.export_screenshot()).splitlines()
    assert all(line.isascii() for line in drawn)
    assert not re.search(r"(\d)\1{9}", "".join(drawn)), "a frame is drawn with signs that stand for levels"
    words = re.compile(r"[A-Za-z0-9][\w.-]+")
    for line, other in zip(signs, drawn, strict=True):
        assert [match for match in words.findall(line) if match.isascii()] == [
            match for match in words.findall(other) if match in line
        ]


@pytest.mark.parametrize("screen", list(SCREENS))
async def test_where_no_colour_is_wanted_none_is_sent(session: RecordedSession, screen: str) -> None:
    app = GpudeckApp(session, live=False, environment={"COLORTERM": "truecolor", "NO_COLOR": "1"})
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press(*SCREENS[screen])
        await app.workers.wait_for_complete()
        await pilot.pause()
        styles = {segment.style for strip in app.screen._compositor.render_strips() for segment in strip}
    coloured = {
        str(style)
        for style in styles
        if style and not all(colour is None or colour.is_default for colour in (style.color, style.bgcolor))
    }
    assert coloured == set()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "de_DE.utf8@euro"}, False),
        ({"LANG": "de_DE.ISO-8859-15"}, True),
        ({"LANG": "de_DE.ISO-8859-15", "LC_ALL": "de_DE.UTF-8"}, False),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, True),
    ],
)
def test_ascii_is_for_terminals_known_to_have_nothing_else(environment: dict[str, str], wanted: bool) -> None:
    assert wants_ascii(environment) is wanted
