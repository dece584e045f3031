"""Whole plans, made from a world that was read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bench import Bench

from fleet.commands import Write
from fleet.errors import GpudeckError, UnreachableError, UsageError
from fleet.findings import Finding, Severity, Tense
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument
from fleet.model import Engine, Place
from fleet.planning.json import plan_from_json, plan_json
from fleet.planning.plan import Plan
from fleet.planning.planner import make_plan
from fleet.planning.world import read_world
from fleet.rollout.events import Outcome
from fleet.units import GiB


def move(model: str, place: str) -> Move:
    return Move(model, Place.parse(place))


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.model}" for step in plan.steps]


async def test_a_move_stops_writes_starts_and_waits(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    plan = await bench.plan(move("a", "gpu01/1"))
    assert actions(plan) == ["stop a", "write a", "start a", "wait a"]
    assert [step.n for step in plan.steps] == [1, 2, 3, 4]
    start = plan.steps[2]
    assert (start.needs_bytes, start.free_bytes) == (100 * GiB, 192 * GiB)
    assert plan.downtime_seconds["a"] > 40
    assert plan.unproven == ()


async def test_a_stop_is_preceded_by_a_drain_where_requests_run(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.units["a.service"].running = 3
    bench.host.tick()
    plan = await bench.plan(Restart("a"))
    assert actions(plan) == ["drain a", "stop a", "start a", "wait a"]
    assert plan.requests == 3


async def test_a_restart_leaves_the_unit_as_it_is(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.units["a.service"].overlay = "[Service]\nEnvironment=ROCR_VISIBLE_DEVICES=GPU-0000000000000003\n"
    assert actions(await bench.plan(Restart("a"))) == ["stop a", "start a", "wait a"]


async def test_a_model_that_does_not_run_is_only_started(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100, enabled=False)
    plan = await bench.plan(Enable("a"))
    assert actions(plan) == ["start a", "wait a"]
    assert "a" not in plan.downtime_seconds


async def test_a_model_that_stays_stopped_and_the_role_it_leaves_are_named(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/1", 100)
    bench.inventory = replace(
        bench.inventory, models=tuple(replace(model, role="chat") for model in bench.inventory.models)
    )
    one = await bench.plan(Disable("a"))
    assert (actions(one), one.stays_stopped, one.roles_lost) == (["stop a"], ("a",), ())
    both = await bench.plan(Disable("a"), Disable("b"))
    assert both.roles_lost == ("chat",)


async def test_a_measured_restart_needs_what_was_measured_not_what_was_reckoned(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/0", 91)
    unit = bench.host.units["a.service"]
    unit.size = 101 * GiB
    bench.host.tick()
    (start,) = [step for step in (await bench.plan(Restart("a"))).steps if step.action == "start"]
    assert (start.needs_bytes, start.free_bytes) == (101 * GiB, 101 * GiB)


async def test_a_plan_that_cannot_fit_is_made_with_what_is_wrong_with_it(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 100)
    plan = await bench.plan(move("b", "gpu01/0"))
    assert [step.model for step in plan.unproven] == ["b"]
    assert any(finding.severity == "error" for finding in plan.findings)


async def test_of_two_that_change_places_the_less_important_one_waits_on_a_spare_gpu(bench: Bench) -> None:
    bench.add("vital", "gpu01/0", 180)
    bench.add("small", "gpu01/1", 20)
    vital, small = bench.inventory.models
    bench.inventory = replace(bench.inventory, models=(replace(vital, role="chat"), small))
    swap = move("vital", "gpu01/1"), move("small", "gpu01/0")
    plan = await bench.plan(*swap)
    starts = [(step.model, str(step.gpus[0])) for step in plan.steps if step.action == "start"]
    assert starts == [("small", "gpu01/2"), ("vital", "gpu01/1"), ("small", "gpu01/0")]
    assert [step.model for step in plan.steps if step.action == "write"] == ["small", "vital", "small"]
    assert (await bench.run(*swap)).outcome == Outcome.DONE
    assert {name: gpus for name, (_, _, gpus) in bench.host.state.items()} == {"vital": (1,), "small": (0,)}


async def test_power_that_was_measured_counts_in_a_plan_where_its_models_stay(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/1", 100)
    hosts = tuple(replace(host, power_cap_watts=100.0) for host in bench.inventory.hosts)
    bench.inventory = replace(bench.inventory, hosts=hosts)
    watts = dict.fromkeys(bench.inventory.gpu_ids, 20.0)

    async def codes(change: Change) -> list[str]:
        world = await read_world(bench.inventory, [change], {"gpu01": bench.host}, bench.host.snapshots)
        plan = make_plan(bench.inventory, [change], world, watts=watts)
        return [finding.code for finding in plan.findings if finding.code == "POL004"]

    assert await codes(Restart("a")) == []
    assert await codes(move("a", "gpu01/2")) == ["POL004"]


async def test_a_plan_goes_to_json_and_back(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 100)
    bench.add("c", "gpu01/2", 100)
    plan = await bench.plan(move("b", "gpu01/0"), Disable("c"), Restart("a"))
    of_a_host = Finding("POL004", Severity.WARNING, Tense.DRAFT, "gpu01: too much.", host="gpu01")
    plan = replace(plan, findings=(*plan.findings, of_a_host))
    again = plan_from_json(json.dumps(plan_json(plan)))
    assert replace(again, findings=()) == replace(plan, findings=())
    told = [(finding.message, finding.subject) for finding in plan.findings]
    assert [(finding.message, finding.subject) for finding in again.findings] == told
    assert all(isinstance(command, Write) for step in again.steps for command in step.commands)


async def test_a_plans_json_keeps_the_contract(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    document = plan_json(await bench.plan(move("a", "gpu01/1")))
    assert document["schema"] == "gpudeck/plan/1"
    assert {"world", "changes", "findings", "steps", "downtime_seconds"} <= set(document)
    keys = {"n", "action", "model", "host", "gpus", "commands", "needs_bytes", "free_bytes", "seconds"}
    assert keys <= set(document["steps"][0])
    assert document["steps"][0]["commands"] == ["sudo -n -- systemctl stop a.service"]
    assert document["steps"][2]["gpus"] == ["gpu01/1"]


async def test_clients_that_ask_for_a_checkpoint_by_its_name_are_thought_of(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    unit = bench.host.units["a.service"]
    unit.own = unit.own.replace("/opt/serve a", "/opt/vllm serve a/big")
    model = replace(bench.inventory.model("a"), source="a/big", engine=Engine("vllm"), url="http://127.0.0.1:8000")
    bench.inventory = replace(bench.inventory, models=(model,))
    plan = await bench.plan(Serve("a", "b/small"))
    (found,) = [finding for finding in plan.findings if finding.code == "RTE002"]
    assert found.fixes[0].changes == (SetArgument("a", "served-model-name", "a/big"),)
    assert plan_from_json(json.dumps(plan_json(plan))).changes == (Serve("a", "b/small"),)
    unit.own = unit.own.replace("serve a/big", "serve a/big --served-model-name chat")
    plans = await bench.plan(Serve("a", "b/small")), await bench.plan(Serve("a", "b/small"), *found.fixes[0].changes)
    assert not [finding for plan in plans for finding in plan.findings if finding.code == "RTE002"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "gpudeck/check/1"}', '{"schema": "gpudeck/plan/1"}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no plan"):
        plan_from_json(text)


async def test_the_worlds_digest_follows_what_would_make_a_plan_wrong_and_not_the_memory_in_use(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/1", 100)
    unit = bench.host.units["b.service"]

    async def digest() -> str:
        bench.host.tick()
        return (await bench.plan(move("a", "gpu01/2"))).world

    first = await digest()
    unit.size -= GiB
    assert await digest() == first
    unit.word, unit.gpus = unit.word.__class__("stopped"), ()
    assert await digest() != first


async def test_a_host_that_is_not_live_is_not_planned_for(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.lost = True
    bench.host.tick()
    with pytest.raises(UnreachableError, match="gpu01 is not live: the line is cut"):
        await bench.plan(Restart("a"))


async def test_a_model_without_a_service_is_not_planned_for(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.inventory = replace(bench.inventory, models=(replace(bench.inventory.models[0], service=None),))
    with pytest.raises(UsageError, match="a has no service"):
        await bench.plan(Restart("a"))


async def test_a_unit_that_is_missing_is_said_with_its_host(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.units["a.service"].own = "[Service]\n"
    changes: tuple[Change, ...] = (Restart("a"),)
    with pytest.raises(GpudeckError, match=r"a on gpu01: a\.service has 0 ExecStart= lines"):
        await read_world(bench.inventory, changes, {"gpu01": bench.host}, bench.host.snapshots)
