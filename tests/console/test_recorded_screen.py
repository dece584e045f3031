"""Zooming into a GPU shows what was recorded of it."""

from __future__ import annotations

import pytest
from recorded_demo import RecordedSession
from svg_text import svg_text
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.history.recording import path_of
from fleet.history.values import Frame, Kind, Sample, Subject
from fleet.history.writer import Writer

NOW = 1_800_000_000
GIB = 1 << 30


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch, utc: None) -> None:
    monkeypatch.setattr("console.screens.recorded.time.time", lambda: NOW)


def write(session: RecordedSession) -> None:
    """Six days ago one reading of 190 GiB; in the last hour 98, and the model's cache once full."""
    writer = Writer(path_of(session), clock=lambda: NOW)
    gpu, model = Subject(Kind.GPU, "gpu01/0"), Subject(Kind.MODEL, "llama-3.1-8b")
    for ago, used, kv in ((6 * 86_400, 190, 0.1), (1800, 98, 1.0), (60, 98, 0.2)):
        figures = (
            Sample(gpu, "gpu01 a", (used * GIB, 50, 54, 48, 391)),
            Sample(model, "m", (GIB, kv, 1, 0, 100, 1, 0.5)),
        )
        writer.add(Frame(NOW - ago, figures))
    writer.flush()
    writer.close()


async def shown(pilot: Pilot[None]) -> str:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return svg_text(pilot.app.export_screenshot())


async def test_the_last_hour_is_drawn_with_its_peaks(console_app: GpudeckApp, session: RecordedSession) -> None:
    write(session)
    async with console_app.run_test(size=(160, 80)) as pilot:
        await pilot.press("1", "z")
        lines = (await shown(pilot)).splitlines()
        (memory,) = [line for line in lines if "memory" in line and "now" in line and "98.0" in line]
        assert "peak  98.0 GiB at 01-15 07:30" in memory
        (kv,) = [line for line in lines if "KV cache" in line and "now" in line]
        assert "now    20  peak   100 % at 01-15 07:30" in kv
        assert kv.count("█") == 1


async def test_a_week_shows_the_peak_of_six_days_ago(console_app: GpudeckApp, session: RecordedSession) -> None:
    write(session)
    async with console_app.run_test(size=(160, 80)) as pilot:
        await pilot.press("1", "z")
        assert "190.0" not in await shown(pilot)
        await pilot.press("w", "w")
        assert "peak 190.0 GiB at 01-09" in await shown(pilot)
        await pilot.press("w")
        assert "190.0" not in await shown(pilot)


async def test_a_fleet_never_recorded_says_so(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 80)) as pilot:
        await pilot.press("1", "z")
        assert "nothing yet" in await shown(pilot)


async def test_a_spoilt_file_is_a_sentence_on_the_screen(console_app: GpudeckApp, session: RecordedSession) -> None:
    path_of(session).write_text("nothing a database would hold " * 100)
    async with console_app.run_test(size=(160, 80)) as pilot:
        await pilot.press("1", "z")
        assert "cannot be read" in await shown(pilot)


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20)])
async def test_it_fits_any_screen(console_app: GpudeckApp, session: RecordedSession, size: tuple[int, int]) -> None:
    write(session)
    async with console_app.run_test(size=size) as pilot:
        await pilot.press("1", "z", "end")
        text = await shown(pilot)
        assert max(map(len, text.splitlines())) <= size[0]
        assert "KV cache" in text
        assert all("at 01-15 07:30" in line for line in text.splitlines() if "peak" in line and "now    20" in line)
