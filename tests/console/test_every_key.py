"""Every key on every screen does something or nothing, and never raises; a viewer's are pressed on a simulated host."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from every_key import PRESSED, press_all
from recorded_demo import RecordedSession
from standing_rollout import stand_still
from views import MOVED, SCREENS, STATES

from console.app import GpudeckApp
from console.wall import WallApp
from fleet.rollout.events import Outcome
from fleet.ssh.connection import HostConnection
from fleet.ssh.operator import Operator


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pilot waits until a key is done and then for 40 ms of rest, which only who looks at the screen has to see."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 1 / 200)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 1 / 4000)


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts for which something was made that could change them."""
    made: list[str] = []

    def make(self: Operator, connection: HostConnection) -> None:
        made.append(connection.name)

    monkeypatch.setattr(Operator, "__init__", make)
    return made


@pytest.mark.parametrize("screen", list(SCREENS))
async def test_no_key_raises(
    console_app: GpudeckApp, monkeypatch: pytest.MonkeyPatch, operators: list[str], screen: str
) -> None:
    stand_still(monkeypatch, Outcome.RESTORED)
    async with console_app.run_test(size=(80, 24)) as pilot:
        await press_all(pilot, SCREENS[screen], console_app.workers.wait_for_complete)
    assert not operators


@pytest.mark.parametrize("outcome", [None, Outcome.RESTORED], ids=["under way", "ended"])
async def test_no_key_raises_in_a_rollout(
    console_app: GpudeckApp, monkeypatch: pytest.MonkeyPatch, outcome: Outcome | None
) -> None:
    stand_still(monkeypatch, outcome)
    async with console_app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press(*MOVED, "p")
        await console_app.workers.wait_for_complete()
        await pilot.press("a")
        await pilot.press(*PRESSED)
        assert console_app.is_running


@pytest.mark.parametrize("screen", ["deck", "detail", "findings"])
async def test_no_key_raises_or_stages_anything_in_the_past(
    console_app: GpudeckApp, past: Callable[[int], None], operators: list[str], screen: str
) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        staged: list[object] = []
        console_app.session.when_drafted = staged.append
        await press_all(pilot, ("left_square_bracket", *SCREENS[screen]), console_app.workers.wait_for_complete)
        assert not staged
    assert not operators


@pytest.mark.parametrize("state", list(STATES))
async def test_no_key_on_the_wallboard_changes_anything(
    wall_app: WallApp, session: RecordedSession, operators: list[str], state: str
) -> None:
    STATES[state](session)
    before = session.changes
    async with wall_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await pilot.press(*PRESSED)
        assert wall_app.is_running
        await pilot.press("q")
    assert not wall_app.is_running
    assert session.changes == before
    assert not operators
