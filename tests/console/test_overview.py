"""The heat map of a wide fleet: found, filtered, zoomed, left for a deck; and the deck of one host among many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from piloting import shown, until
from svg_text import said, svg_text
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import GpudeckApp
from console.screens.overview import OverviewScreen
from console.session import Session
from fleet.inventory.loading import load_text
from fleet.model import GpuId
from fleet.readings import GpuIdentity, GpuReading, Link
from fleet.state import FleetState, GpuState
from widgets.deck import MOST_PANES, Deck
from widgets.heat_map import HeatMap

HOSTS = 20


class Wide(Session):
    """Twenty hosts of eight GPUs at one moment: host n uses n twentieths of each; one is lost, one stale."""

    def __init__(self, folder: Path) -> None:
        names = [f"gpu{number:02}" for number in range(HOSTS)]
        lines = "".join(f"  {name}: {{address: ops@{name}, accelerator: MI300X, gpus: 8}}\n" for name in names)
        super().__init__(load_text(f"fleet: wide\nhosts:\n{lines}models: {{}}\n", folder / "fleet.yaml"))
        self.hottest = GpuId("gpu07", 3)

    def state(self, now: float | None = None) -> FleetState:
        blank = self.blank_state()
        links = {"gpu05": Link.LOST, "gpu06": Link.STALE}
        hosts = (
            replace(
                host,
                link=links.get(host.name, Link.LIVE),
                age_seconds=90.0 if host.name in links else 1.0,
                gpus=tuple(self._read(gpu, number / HOSTS) for gpu in host.gpus),
            )
            for number, host in enumerate(blank.hosts)
        )
        return replace(blank, hosts=tuple(hosts))

    def _read(self, gpu: GpuState, share: float) -> GpuState:
        identity = GpuIdentity(f"0000:0{gpu.gpu.index}:00.0", 0, "1", None, gpu.gpu.index)
        degrees = 99.0 if gpu.gpu == self.hottest else 50.0
        return replace(gpu, reading=GpuReading(identity, round(share * gpu.total_bytes), temperature_c=degrees))


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[GpudeckApp]:
    yield GpudeckApp(Wide(tmp_path), live=False, time_of_day=lambda: "14:02", environment={"COLORTERM": "truecolor"})


def lines(pilot: Pilot[None]) -> list[str]:
    return svg_text(pilot.app.export_screenshot()).splitlines()


def under_cursor(app: GpudeckApp) -> GpuId | None:
    return app.screen.query_one(HeatMap).gpu


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
async def test_every_gpu_has_a_cell_and_lost_and_stale_hosts_signs_of_their_own(
    wide: GpudeckApp, size: tuple[int, int]
) -> None:
    async with wide.run_test(size=size) as pilot:
        await pilot.press("o", "Z", "Z")
        await pilot.pause()
        cells = "".join(lines(pilot)[2:-2])
        assert cells.count("✗") == 8
        assert cells.count("≈") == 8
        assert cells.count("▁") == 8 * 3
        await pilot.press("z")
        await pilot.pause()
        text = "\n".join(lines(pilot))
        assert all(f"gpu{number:02}" in text for number in range(HOSTS))
        assert "✗gpu05 ✗✗✗✗✗✗✗✗" in text


async def test_figures_stand_beside_names_once_zoomed_in_and_beyond_them_is_the_deck(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(80, 24)) as pilot:
        await pilot.press("o", "down")
        while "live" not in lines(pilot)[2]:
            await pilot.press("z")
            await pilot.pause()
        assert any(line.startswith("▸ gpu") and "live" in line for line in lines(pilot))
        chosen = under_cursor(wide)
        await pilot.press("z")
        await pilot.pause()
        assert wide.screen.query_one(Deck).gpu == chosen


async def test_w_goes_to_the_worst_and_then_to_the_next_and_enter_to_its_deck(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(160, 48)) as pilot:
        await pilot.press("o", "w")
        assert under_cursor(wide) == GpuId("gpu19", 0)
        await pilot.press("w")
        assert under_cursor(wide) == GpuId("gpu19", 1)
        await pilot.press("v", "v", "v", "w")
        assert "temperature" in lines(pilot)[1]
        assert under_cursor(wide) == GpuId("gpu07", 3)
        await pilot.press("enter")
        await pilot.pause()
        assert wide.screen.query_one(Deck).gpu == GpuId("gpu07", 3)
        assert "gpu07/3" in "\n".join(lines(pilot))
        assert "gpu07, host 8 of 20" in lines(pilot)[-1]


async def test_sorting_puts_hosts_that_are_not_read_first_then_the_fullest_and_moves_nothing_by_itself(
    wide: GpudeckApp,
) -> None:
    async with wide.run_test(size=(80, 24)) as pilot:
        await pilot.press("o", "s")
        await pilot.pause()
        text = "\n".join(lines(pilot)[2:])
        order = [text.index(name) for name in ("gpu06", "gpu05", "gpu19", "gpu18")]
        assert order == sorted(order)
        await pilot.press("s")
        await pilot.pause()
        assert lines(pilot)[2].lstrip("▸ ").startswith("gpu00")


async def test_the_decks_filter_leaves_cells_out_and_escape_takes_it_away_before_it_leaves(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(160, 48)) as pilot:
        await pilot.press("o", "Z", "Z", "slash")
        wide.screen.query_one(Input).value = "host=gpu03"
        await pilot.press("enter")
        await pilot.pause()
        cells = "".join(lines(pilot)[2:-2])
        assert cells.count("·") == 8 * (HOSTS - 1)
        await pilot.press("w")
        assert under_cursor(wide) == GpuId("gpu03", 0)
        await pilot.press("escape")
        assert isinstance(wide.screen, OverviewScreen)
        await pilot.pause()
        assert "·" not in "".join(lines(pilot)[2:-2])
        await pilot.press("escape")
        assert not isinstance(wide.screen, OverviewScreen)


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20)])
async def test_below_the_map_of_one_host_every_gpu_stands_with_its_figures_and_models(
    console_app: GpudeckApp, size: tuple[int, int]
) -> None:
    async with console_app.run_test(size=size) as pilot:
        await pilot.press("o", "w")
        await until(pilot, lambda: "▸1    191.4  194.0   -3.4     60    505     19  deepc" in shown(pilot), "a row")


async def test_where_the_map_needs_the_room_the_gpu_has_one_line(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(160, 20)) as pilot:
        await pilot.press("o")
        await until(pilot, lambda: lines(pilot)[-2].startswith(" gpu00/0"), "one line")
        await pilot.resize_terminal(160, 48)
        await until(pilot, lambda: any(line.startswith(" ▸0 ") for line in lines(pilot)), "a table")
        await pilot.resize_terminal(160, 20)
        await until(pilot, lambda: lines(pilot)[-2].startswith(" gpu00/0"), "one line again")


async def test_a_filter_that_cannot_be_read_is_told_of(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(160, 48)) as pilot:
        await pilot.press("o", "slash")
        wide.screen.query_one(Input).value = "nothing>3"
        await pilot.pause()
        assert "There is no field 'nothing'" in said("\n".join(lines(pilot)))


async def test_the_cursor_goes_from_host_to_host_and_scrolls_where_there_are_more(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(80, 12)) as pilot:
        await pilot.press("o", *["right"] * 8)
        assert under_cursor(wide) == GpuId("gpu01", 0)
        await pilot.press("left")
        assert under_cursor(wide) == GpuId("gpu00", 7)
        await pilot.press("z", *["down"] * 30)
        await pilot.pause()
        assert under_cursor(wide) == GpuId("gpu19", 7)
        assert "gpu19" in "\n".join(lines(pilot)[2:-2])


async def test_a_click_puts_the_cursor_there_and_a_second_goes_to_the_deck(wide: GpudeckApp) -> None:
    async with wide.run_test(size=(160, 48)) as pilot:
        await pilot.press("o", "Z", "Z")
        await pilot.pause()
        await pilot.click(HeatMap, offset=(9 + 2, 0))
        assert under_cursor(wide) == GpuId("gpu01", 2)
        await pilot.click(HeatMap, offset=(9 + 2, 0))
        await pilot.pause()
        assert wide.screen.query_one(Deck).gpu == GpuId("gpu01", 2)


async def test_a_deck_of_more_gpus_than_panes_shows_one_host_and_turns_to_the_next(wide: GpudeckApp) -> None:
    assert 8 * HOSTS > MOST_PANES
    async with wide.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "gpu00/7" in "\n".join(lines(pilot))
        assert "gpu01/0" not in "\n".join(lines(pilot))
        await pilot.press("right", "pagedown")
        await pilot.pause()
        assert wide.screen.query_one(Deck).gpu == GpuId("gpu01", 1)
        assert "gpu00/" not in "\n".join(lines(pilot))
        await pilot.press("8", "right")
        assert wide.screen.query_one(Deck).gpu == GpuId("gpu02", 0)
        await pilot.press("pageup", "pageup", "pageup")
        assert wide.screen.query_one(Deck).gpu == GpuId("gpu00", 0)
