"""Outside the maintenance windows a plan says so, and is carried out only by somebody who says so too."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import pytest
from recorded_demo import RecordedSession
from svg_text import svg_text

from console.app import GpudeckApp
from console.changing.applying import _ask
from console.changing.plan_text import confirmations, plan_lines
from console.changing.planning import plan_changes
from console.screens.plan import PlanScreen
from fleet.errors import GpudeckError
from fleet.inventory.changes import Move
from fleet.model import Place
from fleet.windows import DAYS, Window, Windows

MOVE = Move("devstral-small", Place("gpu01", (3,)))


def closed() -> Windows:
    """A window of a day that is not near."""
    far = DAYS[(time.gmtime().tm_wday + 3) % 7]
    return Windows((Window.parse(far),))


@pytest.fixture
def restricted(session: RecordedSession) -> RecordedSession:
    policy = replace(session.inventory.policy, windows=closed())
    session.inventory = replace(session.inventory, policy=policy)
    return session


def options(*, outside_window: bool) -> argparse.Namespace:
    return argparse.Namespace(yes=True, allow_downtime=[], outside_window=outside_window)


async def test_apply_refuses_outside_the_windows_unless_it_is_told_to(restricted: RecordedSession) -> None:
    plan = await plan_changes(restricted, [MOVE])
    with pytest.raises(GpudeckError, match=r"No maintenance window is open; the next opens .* Nothing was done"):
        _ask(restricted.inventory, plan, options(outside_window=False))
    _ask(restricted.inventory, plan, options(outside_window=True))


async def test_the_plan_says_it_and_asks_for_a_word(restricted: RecordedSession) -> None:
    plan = await plan_changes(restricted, [MOVE])
    assert any("warning POL005 fleet: No maintenance window is open" in line for line in plan_lines(plan))
    assert [word for word, _ in confirmations(plan)] == ["outside"]


async def test_while_a_window_is_open_nothing_more_is_asked(restricted: RecordedSession) -> None:
    policy = replace(restricted.inventory.policy, windows=Windows((Window.parse("mon-sun"),)))
    restricted.inventory = replace(restricted.inventory, policy=policy)
    plan = await plan_changes(restricted, [MOVE])
    assert confirmations(plan) == ()
    _ask(restricted.inventory, plan, options(outside_window=False))


async def test_on_the_plan_screen_enter_asks_for_the_word(restricted: RecordedSession, console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        console_app.stage(MOVE)
        await pilot.press("p")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert "POL005" in svg_text(pilot.app.export_screenshot())
        await pilot.press("enter", *"yes", "enter")
        assert isinstance(pilot.app.screen, PlanScreen)
        assert "Type outside to go on" in svg_text(pilot.app.export_screenshot())
