"""Plans that were tampered with, and what their replay says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from bench import Bench

from fleet.inventory.changes import Move, Restart
from fleet.model import Place
from fleet.planning.plan import Action, Plan, Step
from fleet.planning.replay import Replay, breaches
from fleet.units import GiB


async def chain(bench: Bench) -> Plan:
    """``a`` moves to where ``b`` leaves."""
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    return await bench.plan(Move("a", Place.parse("gpu01/1")), Move("b", Place.parse("gpu01/2")))


def without(plan: Plan, action: Action, model: str) -> Plan:
    return replace(plan, steps=tuple(s for s in plan.steps if (s.action, s.model) != (action, model)))


def changed(plan: Plan, action: Action, change: Callable[[Step], Step]) -> Plan:
    return replace(plan, steps=tuple(change(step) if step.action is action else step for step in plan.steps))


async def test_a_plan_as_it_was_made_holds(bench: Bench) -> None:
    assert breaches(await chain(bench)) == ()


async def test_replayed_to_its_end_a_plan_leaves_its_models_where_they_were_sent(bench: Bench) -> None:
    plan = await chain(bench)
    replay = Replay(plan)
    for step in plan.steps:
        replay.take(step)
    held = {model: [str(gpu) for gpu, _ in stood.held] for (model, _), stood in replay.stood.items()}
    assert held == {"a": ["gpu01/1"], "b": ["gpu01/2"]}


async def test_a_start_before_the_memory_is_back_is_a_breach(bench: Bench) -> None:
    plan = await chain(bench)
    later = sorted(plan.steps, key=lambda step: step.model)
    found = breaches(replace(plan, steps=tuple(later)))
    assert "a needs 150.0 GiB free on gpu01/1 to start, 42.0 will be" in " ".join(found)


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (Action.STOP, "it starts a on gpu01, where it runs already"),
        (Action.START, "it waits for a on gpu01, which was not started"),
        (Action.WAIT, "Nothing waits until a serves"),
    ],
)
async def test_a_step_left_out_is_a_breach(bench: Bench, action: Action, sentence: str) -> None:
    assert sentence in " ".join(breaches(without(await chain(bench), action, "a")))


async def test_two_starts_at_a_time_on_one_gpu_are_a_breach(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 50)
    bench.add("b", "gpu01/0", 50)
    plan = await bench.plan(Restart("a"), Restart("b"))
    waits_last = sorted(plan.steps, key=lambda step: step.action is Action.WAIT)
    assert "a is still starting on gpu01/0" in " ".join(breaches(replace(plan, steps=tuple(waits_last))))


async def test_a_model_stopped_twice_is_a_breach(bench: Bench) -> None:
    plan = await chain(bench)
    again = replace(plan, steps=(plan.steps[0], *plan.steps))
    assert "it stops b on gpu01, where it does not run" in " ".join(breaches(again))


async def test_an_overlay_written_under_a_running_model_is_a_breach(bench: Bench) -> None:
    plan = await chain(bench)
    found = breaches(replace(plan, steps=tuple(sorted(plan.steps, key=lambda step: step.action is not Action.WRITE))))
    assert "it changes how b is run on gpu01 while it runs" in " ".join(found)


async def test_more_free_memory_than_there_will_be_is_a_breach(bench: Bench) -> None:
    plan = await chain(bench)
    found = breaches(changed(plan, Action.START, lambda step: replace(step, free_bytes=300 * GiB)))
    assert "it counts on 300.0 GiB free, which none of its GPUs has" in " ".join(found)


async def test_a_start_that_does_not_say_what_it_takes_is_a_breach(bench: Bench) -> None:
    found = breaches(changed(await chain(bench), Action.START, lambda step: replace(step, holds=())))
    assert "it does not say what b takes of each of its GPUs" in " ".join(found)


async def test_a_start_the_plan_itself_calls_unproven_is_none(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 100)
    plan = await bench.plan(Move("b", Place.parse("gpu01/0")))
    assert plan.unproven
    assert breaches(plan) == ()
