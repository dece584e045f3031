"""How long a load is said to take, and where that is known from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bench import Bench

from console.changing.plan_text import plan_lines
from fleet.history.values import Start
from fleet.inventory.changes import Change, Move, Restart, Serve
from fleet.model import Arguments, Place
from fleet.planning.json import plan_from_json, plan_json
from fleet.planning.plan import Action, Plan, Step
from fleet.planning.planner import make_plan
from fleet.planning.world import World, read_world
from fleet.startup import Ending, ModelStart, Startup
from fleet.units import GiB

RESTART = (Restart("a"), Restart("b"))


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.add("a", "gpu01/0", 80)
    bench.add("b", "gpu01/1", 80)
    return bench


async def world_of(bench: Bench, *changes: Change) -> World:
    return await read_world(bench.inventory, changes, {"gpu01": bench.host}, bench.host.snapshots)


def start(
    model: str, seconds: float | None, *, run: str, gpu: str = "gpu01/0", weights: int = 0, outcome: str = "started"
) -> Start:
    measured = {"weights": weights} if weights else {}
    return Start(0, run, model, gpu, "vllm 0.9.2", "digest", {}, measured, outcome, "", True, seconds)


def waits(plan: Plan) -> dict[str, Step]:
    return {step.model: step for step in plan.steps if step.action is Action.WAIT}


async def test_a_load_takes_as_long_as_the_middle_of_its_newest_starts(bench: Bench) -> None:
    starts = [start("a", 9000, run="long ago")]
    starts += [start("a", seconds, run=f"run {seconds}") for seconds in (300, 100, 130, 120, 110)]
    plan = make_plan(bench.inventory, RESTART, await world_of(bench, *RESTART), starts=starts)
    assert (waits(plan)["a"].seconds, waits(plan)["a"].basis) == (120, "5 starts on gpu01")
    assert plan.downtime_seconds["a"] == pytest.approx(131)


async def test_a_start_on_several_gpus_counts_once_and_one_that_failed_does_not(bench: Bench) -> None:
    starts = [start("a", 100, run="one", gpu=f"gpu01/{gpu}") for gpu in range(3)]
    starts += [start("a", 500, run="two", outcome="oom"), start("a", None, run="three")]
    plan = make_plan(bench.inventory, RESTART, await world_of(bench, *RESTART), starts=starts)
    assert (waits(plan)["a"].seconds, waits(plan)["a"].basis) == (100, "1 start on gpu01")


async def test_what_the_host_still_has_the_lines_of_counts_like_what_is_recorded(bench: Bench) -> None:
    said = Startup("vllm", Ending.STARTED, began=10.0, ended=80.0)
    known = ModelStart(said, Arguments(), "a", "MI300X", invocation="one")
    world = replace(await world_of(bench, *RESTART), starts={"a": known})
    plan = make_plan(bench.inventory, RESTART, world, starts=[start("a", 70, run="one"), start("a", 90, run="zero")])
    assert (waits(plan)["a"].seconds, waits(plan)["a"].basis) == (80, "2 starts on gpu01")


async def test_a_load_nobody_saw_is_reckoned_by_the_rate_its_host_read_at_before(bench: Bench) -> None:
    world = await world_of(bench, *RESTART)
    slow = [start("other", 40 + 100, run="one", weights=50 * GiB)]
    unknown, known = (waits(make_plan(bench.inventory, RESTART, world, starts=starts))["b"] for starts in ((), slow))
    assert (unknown.seconds, unknown.basis) == (40 + 40, "40 s + 80.0 GiB at 2.0 GiB/s assumed")
    assert (known.seconds, known.basis) == (40 + 160, "40 s + 80.0 GiB at 0.50 GiB/s as measured")


async def test_starts_of_another_checkpoint_say_nothing_of_how_long_this_one_loads(bench: Bench) -> None:
    bench.host.units["b.service"].own = "[Service]\nExecStart=/opt/vllm serve x/large\n"
    world = await world_of(bench, Serve("b", "x/small"))
    starts = [start("b", 9000, run="one"), start("a", 40 + 100, run="two", weights=50 * GiB)]
    load = waits(make_plan(bench.inventory, [Serve("b", "x/small")], world, starts=starts))["b"]
    assert load.basis.startswith("40 s + ")
    assert load.seconds < 9000


async def test_starts_quicker_than_an_engine_alone_say_nothing_of_the_rate(bench: Bench) -> None:
    world = await world_of(bench, *RESTART)
    quick = [start("other", 5, run="one", weights=GiB)]
    assert waits(make_plan(bench.inventory, RESTART, world, starts=quick))["b"].seconds == 80


async def test_where_a_model_loaded_on_another_host_that_is_said(bench: Bench) -> None:
    world = await world_of(bench, *RESTART)
    plan = make_plan(bench.inventory, RESTART, world, starts=[start("a", 77, run="one", gpu="gpu02/3")])
    assert (waits(plan)["a"].seconds, waits(plan)["a"].basis) == (77, "1 start on gpu02")


async def test_the_plan_says_it_in_words_and_keeps_it_when_handed_on(bench: Bench) -> None:
    move = Move("a", Place.parse("gpu01/2"))
    plan = make_plan(bench.inventory, [move], await world_of(bench, move), starts=[start("a", 77, run="one")])
    lines = plan_lines(plan)
    (at,) = (number for number, line in enumerate(lines) if " wait " in line)
    assert lines[at].endswith("~1 min 17 s")
    assert lines[at + 1] == "      reckoned by 1 start on gpu01"
    assert plan_from_json(json.dumps(plan_json(plan))) == plan
