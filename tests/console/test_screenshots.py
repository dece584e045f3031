"""The screens of the recorded demo look as the pictures in screenshots/ show them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.wall import WallApp

PICTURES = Path(__file__).parents[2] / "screenshots"
SIZE = (160, 48)


def picture(pilot: Pilot[None], title: str) -> str:
    """The screen as SVG that asks no other machine for its fonts."""
    svg = pilot.app.export_screenshot(title=title)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("https://www.textualize.io", "")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    def check(name: str, svg: str) -> None:
        path = PICTURES / f"{name}.svg"
        if request.config.getoption("--update-screenshots"):
            path.write_text(svg, encoding="utf-8")
        assert path.exists(), f"there is no {path.name}; run pytest --update-screenshots"
        assert svg == path.read_text(encoding="utf-8"), f"{path.name} differs; run pytest --update-screenshots and look"

    return check


async def deck(pilot: Pilot[None]) -> None:
    await pilot.press("down")


async def carry(pilot: Pilot[None]) -> None:
    await pilot.press("m", "f")


async def plan(pilot: Pilot[None]) -> None:
    await pilot.press("down", "m", "8", "enter", "p")
    await pilot.app.workers.wait_for_complete()


@pytest.mark.parametrize("press", [deck, carry, plan], ids=lambda press: press.__name__)
async def test_the_console_looks_as_in_its_picture(
    press: Callable[[Pilot[None]], Awaitable[None]], console_app: GpudeckApp, compare: Callable[[str, str], None]
) -> None:
    async with console_app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await press(pilot)
        await pilot.pause()
        compare(press.__name__, picture(pilot, "gpudeck"))


async def test_the_wallboard_looks_as_in_its_picture(wall_app: WallApp, compare: Callable[[str, str], None]) -> None:
    async with wall_app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        compare("wall", picture(pilot, "gpudeck wall"))
