"""The mouse, where it is on: a click puts the cursor there."""

from __future__ import annotations

from svg_text import svg_text

from console.app import GpudeckApp
from console.wall import WallApp
from fleet.model import GpuId
from widgets.deck import Deck


def place_of(words: str, screen: str) -> tuple[int, int]:
    """Column and line of these words."""
    return next((line.index(words), y) for y, line in enumerate(screen.splitlines()) if words in line)


async def test_a_click_goes_to_the_gpu_and_to_the_model_in_whose_row_it_falls(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        deck = console_app.screen.query_one(Deck)
        screen = svg_text(console_app.export_screenshot())
        await pilot.click(offset=place_of("devstral-small", screen))
        assert (deck.gpu, deck.model) == (GpuId("gpu01", 1), "devstral-small")
        await pilot.click(offset=place_of("5  MI300X", screen))
        assert deck.gpu == GpuId("gpu01", 5)


async def test_a_click_on_the_wallboard_does_nothing(wall_app: WallApp) -> None:
    async with wall_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        before = svg_text(wall_app.export_screenshot())
        await pilot.click(offset=place_of("devstral-small", before))
        await pilot.pause()
        assert svg_text(wall_app.export_screenshot()) == before
