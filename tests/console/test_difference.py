"""What changed between two times."""

from __future__ import annotations

import pytest
from piloting import answer, press
from recorded_demo import RecordedSession, recorded_snapshot
from rewound import NOON, Recorded, used

from console.app import GpudeckApp
from console.history.recording import path_of

ROOM = (160, 48)
pytestmark = pytest.mark.usefixtures("past")


def rows(shown: str, *words: str) -> list[str]:
    return [line for line in shown.splitlines() if all(word in line for word in words)]


async def test_one_key_tells_what_changed_in_the_last_hour(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        shown = await press(pilot, "d")
        assert rows(shown, "What changed", "01-15 07:00:00 to 01-15 07:59:55", "59 min 55 s")
        assert rows(shown, "gpu01/0", "55.0 →  101.0", "+46.0", "+ kb-whisper-large")
        assert rows(shown, "kb-whisper-large", "serving   gpu01/7 → gpu01/0")
        assert rows(shown, "07:54:00", "devstral-small is failed, was serving")
        assert not rows(shown, "gpu01/3 ")
        assert "gpudeck" in (await press(pilot, "escape")).splitlines()[0]


async def test_in_the_past_it_is_from_there_to_now(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        await answer(pilot, "t", "-350s")
        shown = await press(pilot, "d")
        assert rows(shown, "01-15 07:54:10 to 01-15 07:59:55")
        assert rows(shown, "devstral-small", "failed → serving")
        assert "PAST 07:54:10" in await press(pilot, "escape")


async def test_two_times_are_compared_in_either_order(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        forth = await answer(pilot, "t", "07:54:10..07:54:20")
        assert rows(forth, "01-15 07:54:10 to 01-15 07:54:20")
        assert rows(forth, "Models: all as they were")
        assert rows(forth, "Events: none")
        await press(pilot, "escape")
        assert await answer(pilot, "t", "07:54:20..07:54:10") == forth


async def test_the_window_grows_to_a_day_and_a_week(console_app: GpudeckApp, session: RecordedSession) -> None:
    recorded = Recorded(session)
    recorded.publish(used(recorded_snapshot(), 20), NOON - 20 * 3600)
    recorded.close()
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        assert not rows(await press(pilot, "d"), "20.0 →")
        assert rows(await press(pilot, "w"), "gpu01/0", "20.0 →  101.0")


async def test_the_difference_is_that_of_the_sizes_beside_it(console_app: GpudeckApp, session: RecordedSession) -> None:
    recorded = Recorded(session)
    recorded.publish(used(recorded_snapshot(), 20.46), NOON - 20 * 3600)
    recorded.publish(used(recorded_snapshot(), 101.04), NOON - 2)
    recorded.close()
    async with console_app.run_test(size=ROOM) as pilot:
        await press(pilot, "d")
        assert rows(await press(pilot, "w"), "gpu01/0", "20.5 →  101.0   +80.5")


async def test_a_file_that_cannot_be_read_is_a_sentence(console_app: GpudeckApp, session: RecordedSession) -> None:
    path_of(session).write_text("nothing a database would hold " * 100)
    async with console_app.run_test(size=ROOM) as pilot:
        await pilot.pause()
        assert rows(await press(pilot, "d"), f"The history {path_of(session).parent}")


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20)])
async def test_it_fits_any_screen(console_app: GpudeckApp, size: tuple[int, int]) -> None:
    async with console_app.run_test(size=size) as pilot:
        await pilot.pause()
        lines = (await press(pilot, "d")).splitlines()
        assert max(map(len, lines)) <= size[0]
        assert rows("\n".join(lines), "gpu01/7 → gpu01/0")
