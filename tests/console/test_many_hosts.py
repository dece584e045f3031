"""A deck over several hosts says which host each GPU belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest
from svg_text import svg_text

from console.app import GpudeckApp
from console.session import Session
from fleet.inventory.loading import load_text
from fleet.model import GpuId
from widgets.deck import Deck

FLEET = """
fleet: two
hosts:
  gpu01: {address: ops@gpu01, accelerator: MI300X, gpus: 8}
  trainer-rack3-07: {address: ops@gpu02, accelerator: MI300X, gpus: 8}
models: {}
"""


@pytest.fixture
def two_hosts(tmp_path: Path) -> GpudeckApp:
    session = Session(load_text(FLEET, tmp_path / "fleet.yaml"), state_folder=tmp_path)
    return GpudeckApp(session, live=False, environment={"COLORTERM": "truecolor"})


@pytest.mark.parametrize(("size", "names"), [((200, 60), "trainer-rack3-07/3"), ((120, 120), "trainer-rack3-07/3")])
async def test_every_pane_names_its_host(two_hosts: GpudeckApp, size: tuple[int, int], names: str) -> None:
    async with two_hosts.run_test(size=size) as pilot:
        await pilot.pause()
        text = svg_text(two_hosts.export_screenshot())
        assert all(f"gpu01/{index}" in text for index in range(8))
        assert names in text


@pytest.mark.parametrize("size", [(80, 60), (60, 60)])
async def test_where_panes_are_single_lines_a_long_host_is_shortened_and_the_index_never(
    two_hosts: GpudeckApp, size: tuple[int, int]
) -> None:
    async with two_hosts.run_test(size=size) as pilot:
        await pilot.pause()
        lines = svg_text(two_hosts.export_screenshot()).splitlines()
        assert [line[1:11].strip() for line in lines[1:17]] == [
            *(f"gpu01/{index}" for index in range(8)),
            *(f"tra…3-07/{index}" for index in range(8)),
        ]
        assert all("free" in line for line in lines[1:17])


async def test_jumping_reaches_gpus_beyond_the_small_letters(tmp_path: Path) -> None:
    text = FLEET.replace("gpus: 8", "gpus: 16")
    app = GpudeckApp(Session(load_text(text, tmp_path / "fleet.yaml"), state_folder=tmp_path), live=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("semicolon", "F")
        assert app.screen.query_one(Deck).gpu == GpuId("trainer-rack3-07", 15)


async def test_a_deck_of_one_host_spends_no_room_on_its_name(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        text = svg_text(pilot.app.export_screenshot())
        assert "3  MI300X" in text
        assert "gpu01/3  MI300X" not in text
