"""Copies behind one router: they stand for one another, and one that is not to run serves while another starts anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench import Bench
from fake_host import Unit

from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, SetArgument
from fleet.model import Handling, Place
from fleet.planning.plan import Action, Plan
from fleet.planning.replay import Replay, breaches
from fleet.planning.world import read_world
from fleet.rollout.events import Outcome
from fleet.rollout.restoring import restoring
from fleet.services import MissingServiceError
from fleet.services.systemd import Systemd

ROUTED = Handling(router_add="router add {model}", router_remove="router rm {model}")


def copies(bench: Bench, handling: Handling = ROUTED) -> None:
    """Every model of the bench is a copy of one entry of the fleet file."""
    models = (replace(model, replica_of="llama", handling=handling) for model in bench.inventory.models)
    bench.inventory = replace(bench.inventory, models=tuple(models))


@pytest.fixture
def spared(bench: Bench) -> Bench:
    bench.add("a", "gpu01/0", 100)
    bench.add("spare", "gpu01/3", 100, enabled=False)
    copies(bench)
    return bench


def words(plan: Plan) -> list[str]:
    told = (Action.START, Action.STOP, Action.WAIT)
    return [f"{step.action} {step.model} {step.gpus[0].index}" for step in plan.steps if step.action in told]


async def test_a_spare_copy_serves_while_a_model_is_restarted_where_it_is(spared: Bench) -> None:
    plan = await spared.plan(Restart("a"))
    assert words(plan) == ["start spare 3", "wait spare 3", "stop a 0", "start a 0", "wait a 0", "stop spare 3"]
    assert plan.downtime_seconds == {}
    assert plan.stays_stopped == ()
    assert breaches(plan) == ()


async def test_the_router_always_has_a_copy_that_serves(spared: Bench) -> None:
    plan = await spared.plan(Move("a", Place.parse("gpu01/1")))
    told = [command.words for step in plan.steps for command in step.commands if command.words[0] == "router"]
    assert told == [
        ("router", "add", "spare"),
        ("router", "rm", "a"),
        ("router", "add", "a"),
        ("router", "rm", "spare"),
    ]


async def test_carried_out_it_ends_where_it_shall_and_the_spare_is_stopped(spared: Bench) -> None:
    result = await spared.run(Move("a", Place.parse("gpu01/1")))
    assert result.outcome is Outcome.DONE
    state = spared.host.state
    assert (state["a"][0], state["a"][2]) == (True, (1,))
    assert (state["spare"][0], state["spare"][2]) == (False, ())


async def test_a_spare_that_served_somewhere_else_is_given_back_without_our_overlay(spared: Bench) -> None:
    spared.add("full", "gpu01/3", 180)
    before = spared.host.state["spare"]
    plan = await spared.plan(Restart("a"))
    told = [f"{step.action} {step.model}" for step in plan.steps if step.model == "spare"]
    assert told == ["write spare", "start spare", "wait spare", "drain spare", "stop spare", "remove spare"]
    assert (await spared.run(Restart("a"))).outcome is Outcome.DONE
    assert spared.host.state["spare"] == before


async def test_the_way_back_from_any_step_stops_the_spare_and_leaves_no_overlay(spared: Bench) -> None:
    plan = await spared.plan(Move("a", Place.parse("gpu01/1")))
    for done in range(len(plan.steps) + 1):
        before, replay = Replay(plan), Replay(plan)
        for step in plan.steps[:done]:
            replay.take(step)
        for step in restoring(plan, [step.n for step in plan.steps[:done]]):
            replay.take(step)
        assert replay.stood == before.stood
        assert replay.free == before.free


async def test_small_copies_stand_side_by_side_on_one_gpu(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 20)
    bench.add("spare", "gpu01/0", 20, enabled=False)
    for gpu in (1, 2, 3):
        bench.add(f"full{gpu}", f"gpu01/{gpu}", 180)
    models = bench.inventory.models
    bench.inventory = replace(
        bench.inventory, models=(*(replace(m, replica_of="llama", handling=ROUTED) for m in models[:2]), *models[2:])
    )
    plan = await bench.plan(Restart("a"))
    assert words(plan)[0] == "start spare 0"
    assert plan.downtime_seconds == {}


async def test_without_room_for_two_the_model_is_restarted_as_ever(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("spare", "gpu01/3", 100, enabled=False)
    copies(bench)
    for gpu in (1, 2, 3):
        bench.add(f"full{gpu}", f"gpu01/{gpu}", 180)
    plan = await bench.plan(Restart("a"))
    assert words(plan) == ["stop a 0", "start a 0", "wait a 0"]
    assert plan.downtime_seconds.keys() == {"a"}


async def test_without_a_router_nobody_is_sent_to_a_spare(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("spare", "gpu01/3", 100, enabled=False)
    copies(bench, Handling())
    assert words(await bench.plan(Restart("a"))) == ["stop a 0", "start a 0", "wait a 0"]


async def test_a_spare_whose_unit_is_not_there_or_runs_already_is_none(
    spared: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spared.host.start(spared.host.units["spare.service"])
    spared.host.tick()
    assert words(await spared.plan(Restart("a"))) == ["stop a 0", "start a 0", "wait a 0"]
    own = Systemd.parse_definition

    def missing(self: Systemd, answer: object) -> object:
        if self.unit == "spare.service":
            raise MissingServiceError("spare.service is not there.")
        return own(self, answer)  # type: ignore[arg-type]

    spared.host.commands.clear()
    spared.host.units["spare.service"].word = spared.host.units["spare.service"].word.STOPPED
    monkeypatch.setattr(Systemd, "parse_definition", missing)
    spared.host.tick()
    assert "start spare" not in " ".join(words(await spared.plan(Restart("a"))))


async def test_an_argument_of_a_model_that_does_not_run_needs_no_unit(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    (model,) = bench.inventory.models
    off = replace(model, name="off", service="systemd:no.service", enabled=False)
    bench.inventory = replace(bench.inventory, models=(model, off))
    bench.host.units["no.service"] = Unit("off", 1, "")
    assert (await bench.plan(SetArgument("off", "max-model-len", 4096))).steps == ()


async def test_a_copy_that_is_enabled_serves_before_the_other_is_stopped(spared: Bench) -> None:
    plan = await spared.plan(Restart("a"), Enable("spare"))
    assert words(plan) == ["start spare 3", "wait spare 3", "stop a 0", "start a 0", "wait a 0"]
    assert plan.downtime_seconds == {}


async def test_a_copy_waits_where_there_is_room_for_it_only_once_the_other_is_stopped(spared: Bench) -> None:
    plan = await spared.plan(Move("a", Place.parse("gpu01/1")), Move("spare", Place.parse("gpu01/0")), Enable("spare"))
    assert words(plan) == ["stop a 0", "start a 1", "wait a 1", "start spare 0", "wait spare 0"]


async def test_a_spare_whose_own_place_or_arguments_change_too_still_serves(spared: Bench) -> None:
    plan = await spared.plan(Restart("a"), Move("spare", Place.parse("gpu01/2")))
    assert words(plan)[0].startswith("start spare")
    assert (plan.downtime_seconds, plan.stays_stopped, breaches(plan)) == ({}, (), ())


@pytest.mark.parametrize("changes", [(Restart("a"),), (Restart("a"), Restart("b"))])
async def test_copies_that_serve_stand_for_one_another(bench: Bench, changes: tuple[Change, ...]) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    copies(bench)
    plan = await bench.plan(*changes)
    assert plan.downtime_seconds == {}
    copies(bench, Handling())
    assert (await bench.plan(*changes)).downtime_seconds.keys() == {change.model for change in changes}


async def test_a_spare_is_not_needed_where_another_copy_serves(bench: Bench) -> None:
    for gpu, name in enumerate("ab"):
        bench.add(name, f"gpu01/{gpu}", 150)
    bench.add("spare", "gpu01/3", 150, enabled=False)
    copies(bench)
    plan = await bench.plan(Restart("a"), Restart("b"))
    assert words(plan) == ["stop a 0", "start a 0", "wait a 0", "stop b 1", "start b 1", "wait b 1"]
    assert plan.downtime_seconds == {}


async def test_the_last_copy_that_goes_is_missed(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    copies(bench)
    plan = await bench.plan(Disable("a"), Restart("b"))
    assert plan.stays_stopped == ("a",)
    assert plan.downtime_seconds.keys() == {"b"}


async def test_a_plan_with_a_spare_is_refused_where_the_spare_has_changed(spared: Bench) -> None:
    async def digest() -> str:
        found = await read_world(spared.inventory, [Restart("a")], {"gpu01": spared.host}, spared.host.snapshots)
        return found.digest

    before = await digest()
    spared.host.units["spare.service"].own += "Nice=5\nEnvironment=X=1\n"
    assert await digest() != before
