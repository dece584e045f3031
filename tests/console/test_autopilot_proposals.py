"""What the autopilot would do, in the console: found beside what an operator sees, and staged like any fix."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from piloting import press
from recorded_demo import RecordedSession
from svg_text import svg_text

from console.app import GpudeckApp
from console.autopilot.proposing import keep_proposing, records_of
from console.wall import WallApp
from fleet.autopilot.limits import Attempt, Ended
from fleet.findings import Finding, Severity, Tense
from fleet.inventory.autopilot import Autopilot, Rotation
from fleet.inventory.changes import Enable, Move
from fleet.model import Place
from fleet.windows import Window, Windows

ROOT = Path(__file__).parents[2]
ALWAYS = Windows((Window.parse("mon-sun"),))
LOADED = Rotation("qwen3-235b", ALWAYS)
SMALL = Rotation("qwen3-32b", ALWAYS)


@pytest.fixture
def left_to_it(session: RecordedSession) -> RecordedSession:
    """Two models that should always be loaded; of these one is small enough."""
    models = tuple(
        replace(model, args=model.args.replace("gpu-memory-utilization", 0.35)) if model.name == "qwen3-32b" else model
        for model in session.inventory.models
    )
    session.inventory = replace(session.inventory, models=models, autopilot=Autopilot(rotation=(LOADED, SMALL)))
    return session


@asynccontextmanager
async def looked_at(session: RecordedSession, when_new: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Inside, the autopilot's proposals are among the findings."""
    seen = asyncio.Event()

    def new() -> None:
        when_new()
        seen.set()

    task = asyncio.create_task(keep_proposing(session, new))
    try:
        await asyncio.wait_for(seen.wait(), 30)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def proposed(session: RecordedSession) -> list[Finding]:
    return [finding for finding in session.state().findings if finding.code == "AUT001"]


async def test_what_it_would_do_is_a_finding_with_a_fix_and_what_it_cannot_is_one_without(
    left_to_it: RecordedSession,
) -> None:
    async with looked_at(left_to_it):
        act, declined = sorted(proposed(left_to_it), key=lambda finding: not finding.fixes)
    assert (act.severity, act.tense, act.model) == (Severity.INFO, Tense.NOW, "qwen3-32b")
    assert act.message.startswith("Load qwen3-32b on gpu01/3: its hours go on until ")
    assert [fix.changes for fix in act.fixes] == [(Move("qwen3-32b", Place("gpu01", (3,))), Enable("qwen3-32b"))]
    assert act.fixes[0].summary == "move qwen3-32b to gpu01/3, enable qwen3-32b"
    assert declined.message.startswith("qwen3-235b would be loaded, and fits nowhere")


async def test_its_fix_is_staged_like_any_other(console_app: GpudeckApp, left_to_it: RecordedSession) -> None:
    left_to_it.inventory = replace(left_to_it.inventory, autopilot=Autopilot(rotation=(SMALL,)))
    async with looked_at(left_to_it), console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        shown = await press(pilot, "f", *["down"] * 30)
        assert "NOW AUT001 qwen3-32b" in shown
        while "▸ fix: move qwen3-32b to gpu01/3, enable qwen3-32b" not in shown:
            shown = await press(pilot, "up")
        await press(pilot, "enter")
    assert left_to_it.changes == (Move("qwen3-32b", Place("gpu01", (3,))), Enable("qwen3-32b"))


async def test_what_a_fleet_ignores_is_not_proposed(left_to_it: RecordedSession) -> None:
    preferences = replace(left_to_it.inventory.preferences, ignore=("AUT001",))
    left_to_it.inventory = replace(left_to_it.inventory, preferences=preferences)
    async with looked_at(left_to_it):
        assert not proposed(left_to_it)
    assert not [finding for finding in left_to_it.state().findings if finding.code == "IGN001"]


async def test_a_console_looks_by_itself_and_a_wallboard_never(
    left_to_it: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def keep(session: RecordedSession, when_new: Callable[[], None]) -> None:
        looked.set()

    monkeypatch.setattr("console.autopilot.proposing.keep_proposing", keep)

    async def watch(ready: object = None) -> None: ...

    monkeypatch.setattr(left_to_it, "watch", watch)
    async with WallApp(left_to_it, environment={}).run_test() as pilot:
        await pilot.pause()
    assert not looked.is_set()
    async with GpudeckApp(left_to_it, environment={}).run_test():
        await asyncio.wait_for(looked.wait(), 10)


async def test_the_past_has_no_proposals(
    console_app: GpudeckApp, past: Callable[[int], None], session: RecordedSession
) -> None:
    session.proposed = (Finding("AUT001", Severity.INFO, Tense.NOW, "Load qwen3-32b."),)
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "AUT001" in await press(pilot, "f", *["down"] * 30)
        await press(pilot, "escape", "left_square_bracket")
        assert "AUT001" not in await press(pilot, "f", *["down"] * 30)


async def test_a_command_tells_whether_it_may_act_and_what_it_did_last(
    console_app: GpudeckApp, left_to_it: RecordedSession, utc: None
) -> None:
    records = records_of(left_to_it)

    async def told() -> str:
        await pilot.press("colon", *"autopilot", "enter")
        await pilot.pause()
        return svg_text(console_app.export_screenshot()).splitlines()[-1]

    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "The autopilot may act. It has done nothing of late." in await told()
        records.add(Attempt(1_795_262_400.0, "chat", ("two",), Ended.FAILED, "Load two: it was wanted."))
        records.halt("anna", "audit")
        assert (
            "The autopilot is halted by anna: audit. Last, 2026-11-21 12:00, failed: Load two: it was wanted."
        ) in await told()


def test_a_look_at_the_fleet_needs_nothing_that_could_change_a_host() -> None:
    import subprocess
    import sys

    script = (
        "import sys, console.autopilot.proposing; "
        "sys.exit(sorted({'fleet.rollout', 'fleet.ssh.operator'} & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
