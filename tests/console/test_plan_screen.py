"""The plan screen: the loss first, now beside after, memory after each step, questions that grow with the loss."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from piloting import shown
from recorded_demo import RecordedSession
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import GpudeckApp
from console.changing.confirming import questions
from console.changing.plan_memory import memory_after
from console.changing.plan_text import headline
from console.changing.planning import plan_changes
from console.operating import Operating
from console.screens.plan import PlanScreen
from console.screens.rollout import RolloutScreen
from console.settings import Settings
from fleet.inventory.changes import Change, Disable, Move, Restart, SetArgument
from fleet.model import GpuId, Place
from fleet.planning.plan import Action, Plan


async def planned(pilot: Pilot[None]) -> str:
    """Open the plan of what is staged."""
    await pilot.press("p")
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return shown(pilot)


def serving_production(session: RecordedSession) -> None:
    hosts = tuple(replace(host, production=True) for host in session.inventory.hosts)
    session.adopt(replace(session.inventory, hosts=hosts))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Plans that would be carried out."""
    found: list[object] = []
    monkeypatch.setattr(Operating, "open_rollout", lambda _, app, plan: found.append(plan))
    return found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([Move("kb-whisper-large", Place("gpu01", (7,)))], "will not answer for about 53 s; no request is"),
        ([Move("llama-3.3-70b", Place("gpu01", (7,)))], "may not serve after this; it will not answer for about"),
        ([Disable("kb-whisper-large")], "no model will serve the role speech any more; no request is in flight"),
        ([Disable("devstral-small"), Restart("deepcoder-14b")], "devstral-small will stay stopped; deepcoder-14b"),
        ([Restart("deepcoder-14b"), Restart("llama-3.1-8b")], ", 1 other for less; "),
    ],
)  # fmt: skip
async def test_the_first_line_says_the_loss_in_words_time_and_requests(
    session: RecordedSession, changes: list[Change], words: str
) -> None:
    assert words in headline(await plan_changes(session, changes))


async def test_a_plan_that_is_still_being_made_is_not_told_as_empty(
    console_app: GpudeckApp, session: RecordedSession, opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts_answer = asyncio.Event()

    async def after_a_while(*asked: Any) -> Plan:
        await hosts_answer.wait()
        return await plan_changes(*asked)

    monkeypatch.setattr("console.screens.plan.plan_changes", after_a_while)
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    async with console_app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p", "a")
        assert "There is no plan to carry out yet." in shown(pilot)
        hosts_answer.set()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert "What changes" in shown(pilot)
        assert "There is no plan" not in shown(pilot)
        assert not opened
        await pilot.press("a")
        assert len(opened) == 1


async def test_now_stands_beside_after(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    async with console_app.run_test(size=(160, 48)) as pilot:
        sides = [line.split("│") for line in (await planned(pilot)).splitlines() if line.count("│") == 1]
        now, after = ("\n".join(" ".join(side[half].split()) for side in sides) for half in (0, 1))
        assert re.search(r"gpu01/0 .* 98\.7/192\.0\nllama-3\.1-8b 97\.0\n- kb-whisper-large 1\.4", now)
        assert "kb-whisper-large" not in now.split("gpu01/7")[1]
        assert re.search(r"gpu01/7 .* 118\.6/192\.0\n\+ kb-whisper-large 1\.4", after)


async def test_each_step_that_changes_memory_says_what_is_used_after_it(session: RecordedSession) -> None:
    plan = await plan_changes(session, [Move("kb-whisper-large", Place("gpu01", (7,)))])
    memory = memory_after(plan, session.totals)
    by_action = {step.action: memory[step.n] for step in plan.steps}
    (stopped,), (started,) = by_action[Action.STOP], by_action[Action.START]
    assert not by_action[Action.WRITE]
    assert (stopped.gpu, started.gpu) == (GpuId("gpu01", 0), GpuId("gpu01", 7))
    assert stopped.used_bytes < stopped.was_bytes
    assert started.was_bytes == started.total_bytes - plan.free_bytes[started.gpu] < started.used_bytes


async def test_every_command_is_shown_whole_and_copied_as_shown(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    async with console_app.run_test(size=(60, 100)) as pilot:
        words = "".join((await planned(pilot)).split())
        await pilot.press("y")
        assert "copied 6 commands" in shown(pilot)
        commands = console_app.clipboard
        assert commands.count("sudo -n -- ") == 6
        assert all("".join(line.split()) in words for line in commands.splitlines())


async def test_enter_is_enough_where_every_model_comes_back(
    console_app: GpudeckApp, session: RecordedSession, opened: list[object]
) -> None:
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    async with console_app.run_test(size=(160, 48)) as pilot:
        await planned(pilot)
        await pilot.press("enter")
        assert len(opened) == 1


@pytest.mark.parametrize(
    "change",
    [Disable("kb-whisper-large"), SetArgument("llama-3.3-70b", "gpu-memory-utilization", 0.85)],
    ids=["stays stopped", "will not start"],
)
async def test_a_model_that_may_not_come_back_wants_its_name_typed(
    console_app: GpudeckApp, session: RecordedSession, opened: list[object], change: Disable | SetArgument
) -> None:
    session.stage(change)
    async with console_app.run_test(size=(160, 48)) as pilot:
        await planned(pilot)
        await pilot.press("a")
        assert f"Type {change.model} to go on, or press esc to go back." in shown(pilot)
        await pilot.press(*"wrong", "enter")
        assert "nothing was done" in shown(pilot)
        await pilot.press("escape")
        assert isinstance(console_app.screen, PlanScreen)
        await pilot.press("a", *change.model, "enter")
        assert len(opened) == 1


async def test_a_host_that_serves_production_says_so_and_wants_its_name_typed(
    console_app: GpudeckApp, session: RecordedSession, opened: list[object]
) -> None:
    serving_production(session)
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert (await planned(pilot)).startswith("  PROD gpu01 kb-whisper-large will not answer")
        await pilot.press("enter")
        assert "gpu01 serves production. Type gpu01 to go on" in shown(pilot)
        assert not opened
        await pilot.press(*"gpu01", "enter")
        assert len(opened) == 1


async def test_what_lasts_is_asked_of_before_production(session: RecordedSession) -> None:
    serving_production(session)
    plan = await plan_changes(session, [Disable("kb-whisper-large")])
    assert [question.word for question in questions(plan, session.inventory)] == ["kb-whisper-large", "gpu01"]


async def test_the_question_names_the_key_that_is_set(session: RecordedSession) -> None:
    session.stage(Disable("kb-whisper-large"))
    app = GpudeckApp(session, live=False, environment={}, settings=Settings(keys={"plan.close": "f9"}))
    async with app.run_test(size=(160, 48)) as pilot:
        await planned(pilot)
        await pilot.press("a")
        assert "or press f9 to go back" in shown(pilot)
        assert app.screen.query_one(Input).has_focus
        assert not isinstance(app.screen, RolloutScreen)
