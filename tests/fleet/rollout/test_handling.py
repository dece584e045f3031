"""A model leaves its router before it stops and enters it once it serves, on the way back too."""

from __future__ import annotations

import json
from dataclasses import replace

from bench import Bench

from console.changing.plan_text import losses, wants_name
from fleet.inventory.changes import Move, Restart
from fleet.model import Arguments, Handling, Place
from fleet.planning.handling import unrouted
from fleet.planning.json import plan_from_json, plan_json
from fleet.rollout.events import Kind, Outcome

ROUTED = Handling(
    drain="curl -X POST {url}/drain",
    drain_seconds=30,
    router_remove="router rm {model} {host}:{port}",
    router_add="router add {model} {host}:{port}",
    router_reload="router reload",
    health="ask {url}",
    warmup="warm {url}",
    start_seconds=1200,
)
OUT = ["router rm a gpu01:1", "router reload", "curl -X POST http://127.0.0.1:1/drain"]
IN = ["warm http://127.0.0.1:1", "router add a gpu01:1", "router reload"]


def routed(bench: Bench, handling: Handling = ROUTED) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.inventory = replace(
        bench.inventory, models=tuple(replace(model, handling=handling) for model in bench.inventory.models)
    )


def done(bench: Bench) -> list[str]:
    return [line.removeprefix("sudo -n -- ") for line in bench.host.commands]


async def test_it_leaves_before_its_stop_and_enters_once_it_serves(bench: Bench) -> None:
    routed(bench)
    plan = await bench.plan(Restart("a"))
    assert [str(step.action) for step in plan.steps] == ["drain", "stop", "start", "wait"]
    assert (plan.steps[0].seconds, plan.steps[3].timeout) == (30, 1200)
    result = await bench.run(Restart("a"))
    assert result.outcome is Outcome.DONE
    assert done(bench) == [*OUT, "systemctl stop a.service", "systemctl start a.service", *IN]


async def test_requests_are_waited_for_up_to_the_deadline_and_what_is_left_is_told(bench: Bench) -> None:
    routed(bench)
    bench.host.units["a.service"].running = 3
    bench.host.tick()
    plan = await bench.plan(Restart("a"))
    assert (plan.steps[0].requests, plan_from_json(json.dumps(plan_json(plan))).steps[0].requests) == (3, 3)
    begun = bench.host.now
    await bench.run(Restart("a"))
    assert bench.host.now - begun > 30
    assert "3 requests were still there after 30 s" in bench.said(Kind.DONE)


async def test_a_refused_start_is_taken_back_and_enters_the_router_again(bench: Bench) -> None:
    routed(bench)
    bench.host.refuses["a.service"] = "ValueError: no"
    bench.host.faulty_starts = 1
    result = await bench.run(Move("a", Place.parse("gpu01/1")))
    assert result.outcome is Outcome.RESTORED
    assert done(bench)[-3:] == IN
    assert bench.host.state["a"][::2] == (True, (0,))


async def test_rolled_back_while_it_drains_it_enters_again_and_is_not_restarted(bench: Bench) -> None:
    routed(bench)
    journal = bench.journal()
    rollout = bench.rollout(await bench.plan(Restart("a")), journal)
    bench.host.before_write = lambda line: rollout.roll_back() if "drain" in line else None
    result = await rollout.run()
    journal.close()
    assert result.outcome is Outcome.ROLLED_BACK
    assert done(bench) == [*OUT, *IN]


async def test_its_own_health_command_is_asked_until_it_succeeds(bench: Bench) -> None:
    routed(bench, Handling(health="ask {url}"))
    bench.host.failing_reads = 3
    assert (await bench.run(Restart("a"))).outcome is Outcome.DONE
    assert bench.said(Kind.PROGRESS).count("waiting for its health command to succeed: not yet") == 3


async def test_a_health_command_that_never_succeeds_fails_the_step(bench: Bench) -> None:
    routed(bench, Handling(health="ask {url}"))
    bench.host.failing_reads = 30
    result = await bench.run(Move("a", Place.parse("gpu01/1")))
    assert result.outcome is Outcome.RESTORED
    assert "a came up, and its health command fails: not yet." in result.message


async def test_a_move_to_another_host_that_no_router_is_told_of_is_found(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    (before,) = bench.inventory.models
    there = replace(before, place=Place.parse("gpu02/0"))
    found = unrouted(before, there, "gpu01")
    assert found is not None
    assert (found.code, found.severity, found.model) == ("RTE001", "error", "a")
    assert unrouted(before, replace(before, place=Place.parse("gpu01/3")), "gpu01") is None
    assert unrouted(before, replace(there, handling=ROUTED), "gpu01") is None
    assert unrouted(before, there, None) is None


async def test_a_port_that_no_router_is_told_of_is_found_as_well(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    (before,) = bench.inventory.models
    other, same = (replace(before, args=Arguments({"port": port})) for port in (8100, 1))
    found = unrouted(before, other, "gpu01")
    assert found is not None
    assert (
        found.message == "whoever asks it at http://127.0.0.1:1 will not find it on port 8100, and no router is told."
    )
    assert unrouted(before, same, "gpu01") is None
    assert unrouted(before, replace(other, handling=ROUTED), "gpu01") is None


async def test_a_lost_address_is_told_first_and_wants_the_name_typed(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    (before,) = bench.inventory.models
    found = unrouted(before, replace(before, place=Place.parse("gpu02/0")), "gpu01")
    assert found is not None
    plan = replace(await bench.plan(Restart("a")), findings=(found,), downtime_seconds={})
    assert losses(plan) == [f"a will have another address: {found.message}"]
    assert wants_name(plan) == ("a",)
