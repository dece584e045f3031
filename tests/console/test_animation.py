"""The picture that plays itself shows the recorded demo, twenty seconds of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from animation import Picture, animated

from console.app import GpudeckApp

PICTURE = Path(__file__).parents[2] / "screenshots" / "demo.svg"
SIZE = COLUMNS, ROWS = 160, 48
SECONDS = 20.0

STORY: tuple[tuple[tuple[str, ...], float, str, str], ...] = (
    ((), 2.4, "", "what models should take, by estimate, and what they do take"),
    (("down",), 1.0, "↓", "one model of GPU 0"),
    (("m",), 2.0, "m", "in the hand: every GPU answers at once"),
    (("8",), 1.6, "8", "over GPU 7: what it would take there"),
    (("enter",), 1.4, "enter", "staged; nothing has changed yet"),
    (("p",), 2.6, "p", "the plan: each step, its exact commands, the memory it finds"),
    (("escape",), 0.6, "esc", "the draft stays"),
    (("3",), 0.8, "3", "another GPU"),
    (("e",), 1.2, "e", "its arguments, estimated as you type"),
    (("0",), 0.2, "0", ""),
    (("full_stop",), 0.2, "0.", ""),
    (("8",), 0.2, "0.8", ""),
    (("5",), 2.4, "0.85", "vLLM's own refusal, before it happens"),
    (("escape",), 0.6, "esc", "as it was"),
    (("f",), 2.8, "f", "what is wrong, with fixes that were computed and tried"),
)
"""Keys, seconds, the keys as people call them, and what is to be seen."""


async def pictures(app: GpudeckApp) -> list[Picture]:
    found = []
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        for keys, seconds, pressed, caption in STORY:
            await pilot.press(*keys)
            await app.workers.wait_for_complete()
            await pilot.pause()
            found.append(Picture(app.export_screenshot(), seconds, pressed, caption))
    return found


async def test_the_animation_is_what_the_console_shows(console_app: GpudeckApp, request: pytest.FixtureRequest) -> None:
    svg = animated(await pictures(console_app), COLUMNS, ROWS)
    if request.config.getoption("--update-screenshots"):
        PICTURE.write_text(svg, encoding="utf-8")
    assert svg == PICTURE.read_text(encoding="utf-8"), "demo.svg differs; run pytest --update-screenshots and look"


def test_the_animation_takes_twenty_seconds_and_asks_nobody_for_anything() -> None:
    svg = PICTURE.read_text(encoding="utf-8")
    assert sum(seconds for _, seconds, _, _ in STORY) == pytest.approx(SECONDS)
    assert re.findall(r"animation:\w+ ([\d.]+)s", svg)[0] == f"{SECONDS:g}"
    assert svg.count("http") == svg.count("http://www.w3.org/2000/svg") == 1
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def test_a_row_that_does_not_change_is_there_once() -> None:
    first = (
        '<text class="terminal-1-r1" x="0" y="20" textLength="24.4" clip-path="url(#terminal-1-line-0)">{}</text>'
        '<text class="terminal-1-r1" x="0" y="44.4" textLength="24.4" clip-path="url(#terminal-1-line-1)">same</text>'
    )
    style = "<style>.terminal-1-r1 { fill: #ffffff }</style>"
    svg = animated([Picture(style + first.format(word), 1.0, "", "") for word in ("one", "two")], 10, 2)
    assert [svg.count(f">{word}</text>") for word in ("one", "two", "same")] == [1, 1, 1]
    assert re.search(r'<g class="t\d+" visibility="hidden"><text[^>]*>two', svg)
    assert re.search(r'<g class="t\d+"><text[^>]*>one', svg)
    assert re.search(r"<g><text[^>]*>same", svg)
