"""Lines, starts, disks and clocks that go wrong in the middle of a rollout over real SSH.

Each test gives the model the share of its GPU that it has not, by an overlay written or removed.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from simulated_rollouts import MODEL, UNIT, Site, Way

from console.changing.carrying_out import carry_on, undo
from fleet.inventory.changes import SetArgument
from fleet.planning.plan import Action
from fleet.rollout.events import Event, Kind, Outcome
from fleet.rollout.executor import Rollout

pytestmark = pytest.mark.asyncio(loop_scope="module")
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
HOUR = 3600


@pytest.mark.parametrize("kind", [Action.WRITE, Action.REMOVE])
async def test_a_line_cut_in_every_step_is_waited_for(here: Site, kind: Action) -> None:
    def cut(rollout: Rollout, event: Event) -> None:
        if event.kind is Kind.STARTED:
            here.relay.cut()

    result = await here.go(await here.plan_with(kind), steer=cut)
    assert result.outcome is Outcome.DONE
    said = [event.message for event in here.events if event.kind is Kind.PROGRESS]
    assert "the line to gpu01 is lost; what was begun there goes on" in said
    assert here.stands == (True, here.share)


async def test_a_start_that_is_refused_is_told_in_the_engines_words_and_taken_back(here: Site) -> None:
    before = here.stands
    result = await here.go(await here.plan(SetArgument(MODEL, "max-model-len", 400_000)))
    assert (result.outcome, result.failed) == (Outcome.RESTORED, MODEL)
    assert "ValueError: " in result.message
    assert here.stands == before


async def test_a_start_that_hangs_is_given_up_and_taken_back(here: Site) -> None:
    """It comes up where nobody asks it."""
    before, plan = here.stands, await here.plan(SetArgument(MODEL, "port", 9999))
    steps = tuple(replace(step, timeout=3.0) if step.action is Action.WAIT else step for step in plan.steps)
    result = await here.go(replace(plan, steps=steps))
    assert (result.outcome, result.failed) == (Outcome.RESTORED, MODEL)
    assert "it still waits for its endpoint to answer" in result.message
    assert here.stands == before


async def test_a_model_that_dies_once_it_serves_is_taken_back(here: Site) -> None:
    before, stopping = here.stands, set[asyncio.Task[None]]()

    def die(rollout: Rollout, event: Event) -> None:
        if event.message == "waiting for its memory to settle" and not stopping:
            stopping.add(asyncio.create_task(here.run("systemctl", "stop", UNIT)))

    result = await here.go(await here.plan(), steer=die)
    await asyncio.gather(*stopping)
    assert (result.outcome, result.failed) == (Outcome.RESTORED, MODEL)
    assert "its process ended" in result.message
    assert here.stands == before


@pytest.mark.parametrize("way", [undo, carry_on], ids=["rollback", "resume"])
async def test_a_console_whose_disk_is_full_ends_with_the_ways_on_and_both_work(here: Site, way: Way) -> None:
    struck = await here.struck(await here.plan(), Action.STOP, "disk")
    assert struck.told["outcome"] == Outcome.UNKNOWN
    assert "The journal cannot be written" in struck.told["message"]
    await here.check_way_out(way)


@pytest.mark.skipif(FAKETIME is None, reason="there is no libfaketime on this machine")
@pytest.mark.parametrize("hours", [1, -1], ids=["ahead", "behind"])
async def test_a_console_whose_clock_is_turned_goes_on_as_if_nothing_was(here: Site, hours: int) -> None:
    file = here.folder / "clock"
    await asyncio.to_thread(file.write_text, "+0")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TURN_BY": f"{hours * HOUR:+}",
    }
    plan = await here.plan()
    struck = await here.struck(plan, Action.STOP, "clock", environment)
    assert struck.told["outcome"] == Outcome.DONE, struck.said
    assert struck.told["drift"] == pytest.approx(hours * HOUR, abs=60)
    here.follow(plan)
    await here.serving()
    assert here.stands == (True, here.share)
