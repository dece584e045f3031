"""What if a GPU were gone: asked on the deck."""

from __future__ import annotations

import re

from recorded_demo import RecordedSession
from svg_text import svg_text
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import GpudeckApp
from console.screens.rebalance import loss_rows
from fleet.inventory.changes import Move
from fleet.model import GpuId
from fleet.planning.without import Loss


async def without(pilot: Pilot[None], gpu: str) -> str:
    """Ask, and wait for the answer."""
    await pilot.press("colon")
    pilot.app.screen.query_one(Input).value = f"without {gpu}"
    await pilot.press("enter")
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return svg_text(pilot.app.export_screenshot())


async def test_what_is_there_gets_new_places_and_enter_stages_them(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        text = await without(pilot, "gpu01/0")
        assert "llama-3.1-8b to gpu01/3: gpu01/0 is to be emptied" in text
        assert not session.changes
        await pilot.press("enter")
        assert all(isinstance(change, Move) for change in session.changes)
        assert not session.drafted().on(GpuId("gpu01", 0))


async def test_what_fits_nowhere_is_told_with_the_nearest_miss(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        text = await without(pilot, "gpu01/1")
        found = re.search(r"no place was found for (\S+)\.", text)
        assert found
        assert re.search(rf"{found[1]} fits nowhere else; least is missing on gpu01/\d: [\d.]+ GiB\.", text)
        await pilot.press("escape")
        assert not session.changes


def test_a_role_that_nothing_would_serve_is_told(session: RecordedSession) -> None:
    rows = loss_rows(Loss(session.now(), {"kb-whisper-large": None}, ("speech",)), (), 80)
    text = "\n".join("".join(span.text for span in row) for row in rows)
    assert "kb-whisper-large fits nowhere else." in text
    assert "No model would be left for speech." in text


async def test_a_gpu_there_is_not_is_told_of(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert "There is no GPU 'gpu01/9'" in await without(pilot, "gpu01/9")
