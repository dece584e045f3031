"""Plans for random fleets and drafts, taken step by step: what a plan promises holds in every state it passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fleet.commands import Answer
from fleet.errors import GpudeckError
from fleet.findings.assess import assess
from fleet.hardware import accelerator
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Disable, Move, Restart, SetArgument, apply, with_copies
from fleet.model import Arguments, Engine, Handling, Model, Place, Version
from fleet.planning.memory import rests, start_needs
from fleet.planning.ordering import order
from fleet.planning.plan import Action
from fleet.planning.planner import make_plan
from fleet.planning.replay import Replay
from fleet.planning.world import Standing, World
from fleet.readings import GpuIdentity, GpuReading
from fleet.rollout.restoring import restoring
from fleet.services import Definition
from fleet.services.systemd import Systemd
from fleet.units import GiB

MI300X = accelerator("MI300X")
HOSTS = [Host(name, name, "MI300X", 3) for name in ("gpu01", "gpu02")]
PLACES = [Place(host.name, gpus) for host in HOSTS for gpus in ((0,), (1,), (2,), (0, 1), (1, 2))]
SHARES = [0.2, 0.35, 0.5, 0.65, 0.9]


def vllm(name: str, place: Place, share: float) -> Model:
    args = {"gpu-memory-utilization": share, "max-model-len": 8192}
    if len(place.gpus) > 1:
        args["tensor-parallel-size"] = len(place.gpus)
    return Model(
        name,
        Engine("vllm", Version("0.9.2")),
        source="meta-llama/Llama-3.1-8B-Instruct",
        place=place,
        service=f"systemd:{name}.service",
        args=Arguments(args),
    )


def declared(name: str, place: Place, gib: int) -> Model:
    return Model(name, Engine("other"), place=place, service=f"systemd:{name}.service", memory_bytes=gib * GiB)


def world_of(inventory: Inventory) -> World:
    """Every model serves where the fleet file says, and holds what is reckoned."""
    estimates = assess(inventory, with_fixes=False).estimates
    held = {model.name: rests(model, estimates[model.name]) for model in inventory.placed}
    gpus = {}
    for gpu in inventory.gpu_ids:
        identity = GpuIdentity(
            f"0000:{gpu.index:02x}:00.0", 0, str(gpu.index), f"{gpu}", gpu.index, "MI300X", MI300X.total_bytes
        )
        gpus[gpu] = GpuReading(identity, sum(sizes.get(gpu, 0) for sizes in held.values()))
    standings = {}
    for model in inventory.models:
        for host in inventory.hosts:
            here = model.enabled and model.place is not None and model.place.host == host.name
            sizes = held[model.name] if here else {}
            standings[model.name, host.name] = Standing(here, sizes, definition=definition(model))
    return World(gpus, standings)


def definition(model: Model) -> Definition:
    assert model.place is not None
    flags = "".join(f" --{flag} {value}" for flag, value in model.args.items())
    gpus = ",".join(map(str, model.place.gpus))
    text = f"[Service]\nEnvironment=HIP_VISIBLE_DEVICES={gpus}\nExecStart=/opt/vllm serve x{flags}\n"
    unit = f"{model.name}.service"
    return Systemd(unit).parse_definition(Answer(0, f"# /etc/systemd/system/{unit}\n{text}", ""))


@st.composite
def drafts(draw: st.DrawFn) -> tuple[Inventory, tuple[Change, ...]]:
    """A fleet that runs, and a draft over it."""
    inventory = Inventory("test", tuple(HOSTS), ())
    for name in "abcdefg"[: draw(st.integers(2, 7))]:
        place = draw(st.sampled_from(PLACES))
        model = (
            vllm(name, place, draw(st.sampled_from(SHARES)))
            if draw(st.booleans())
            else declared(name, place, draw(st.integers(1, 120)))
        )
        more = replace(inventory, models=(*inventory.models, model))
        if all(gpu.used_bytes <= MI300X.total_bytes for gpu in world_of(more).gpus.values() if gpu.used_bytes):
            inventory = more
    changed = draw(st.lists(st.sampled_from(inventory.models), unique_by=lambda model: model.name))
    spared = draw(st.sets(st.sampled_from([model.name for model in inventory.models])))
    inventory = replace(inventory, models=tuple(each for m in inventory.models for each in copies(m, m.name in spared)))
    return inventory, tuple(change for model in changed for change in draw(changes(model)))


def copies(model: Model, has_spare: bool) -> list[Model]:
    """The model, and where it has one, a copy behind its router that is not to run itself."""
    if not has_spare:
        return [model]
    first = replace(model, replica_of=model.name, handling=Handling(router_add="r add", router_remove="r rm"))
    return [first, replace(first, name=f"{model.name}_2", service=f"systemd:{model.name}_2.service", enabled=False)]


def changes(model: Model) -> st.SearchStrategy[list[Change]]:
    """A few changes of one model."""
    assert model.place is not None
    alike = [place for place in PLACES if model.place and len(place.gpus) == len(model.place.gpus)]
    move = st.sampled_from(alike).map(lambda place: Move(model.name, place))
    kinds: list[st.SearchStrategy[list[Change]]] = [
        st.tuples(move).map(list),
        st.just([Disable(model.name)]),
        st.just([Restart(model.name)]),
    ]
    if model.engine.name == "vllm":
        share = st.sampled_from(SHARES).map(lambda s: SetArgument(model.name, "gpu-memory-utilization", s))
        kinds += [st.tuples(share).map(list), st.tuples(move, share).map(list)]
    return st.one_of(kinds)


@settings(max_examples=60)
@given(drafts())
def test_no_step_breaks_a_budget_or_a_start_check(draft: tuple[Inventory, tuple[Change, ...]]) -> None:
    inventory, wanted = draft
    world = world_of(inventory)
    plan = make_plan(inventory, wanted, world)
    after = apply(inventory, wanted)
    estimates = assess(after, with_fixes=False).estimates
    free = {gpu: reading.identity.total_bytes - (reading.used_bytes or 0) for gpu, reading in world.gpus.items()}
    held = {key: dict(standing.held) for key, standing in world.standings.items() if standing.running}
    unproven = {step.n for step in plan.unproven}
    for step in plan.steps:
        key = step.model, step.host
        if step.action is Action.STOP:
            for gpu, size in held.pop(key).items():
                free[gpu] += size
        if step.action is Action.START:
            assert key not in held
            model = replace(after.model(step.model), place=Place(step.host, tuple(gpu.index for gpu in step.gpus)))
            estimate = estimates[model.replica_of or step.model]
            needs = start_needs(model, estimate, MI300X)
            assert step.n in unproven or all(size <= free[gpu] for gpu, size in needs.items())
            held[key] = rests(model, estimate)
            for gpu, size in held[key].items():
                free[gpu] -= size
        assert unproven or min(free.values()) >= 0
    gpus = {(name, host): set(sizes) for (name, host), sizes in held.items()}
    assert gpus == {(m.name, m.place.host): set(m.place.gpu_ids) for m in after.placed if m.place}


@settings(max_examples=60)
@given(drafts(), st.floats(0, 1))
def test_the_way_back_from_any_step_ends_where_everything_began(
    draft: tuple[Inventory, tuple[Change, ...]], part: float
) -> None:
    inventory, wanted = draft
    plan = make_plan(inventory, wanted, world_of(inventory))
    before, replay = Replay(plan), Replay(plan)
    begun = plan.steps[: round(part * len(plan.steps))]
    for step in begun:
        replay.take(step)
    for step in restoring(plan, [step.n for step in begun]):
        replay.take(step)
        assert plan.unproven or min(replay.free.values()) >= 0
    assert replay.free == before.free
    assert {key: stood for key, stood in replay.stood.items() if stood.running} == {
        key: stood for key, stood in before.stood.items() if stood.running
    }


def test_a_model_that_changes_its_host_serves_on_both_for_a_moment() -> None:
    inventory = Inventory("test", tuple(HOSTS), (declared("a", PLACES[0], 100),))
    plan = make_plan(inventory, [Move("a", Place("gpu02", (1,)))], world_of(inventory))
    assert [(step.action, step.host) for step in plan.steps] == [
        ("write", "gpu02"),
        ("start", "gpu02"),
        ("wait", "gpu02"),
        ("stop", "gpu01"),
    ]
    assert plan.downtime_seconds == {}
    assert plan.stays_stopped == ()


def test_a_plan_that_fails_its_replay_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = Inventory("test", tuple(HOSTS), (declared("a", PLACES[0], 100), declared("b", PLACES[1], 100)))
    swap = [Move("a", PLACES[1]), Move("b", PLACES[0])]
    by_name = "fleet.planning.planner.order"
    monkeypatch.setattr(by_name, lambda *given: sorted(order(*given), key=lambda turn: turn.task.model))
    with pytest.raises(GpudeckError, match=r"Step \d+: .* GiB free on gpu01/1"):
        make_plan(inventory, swap, world_of(inventory))


@settings(max_examples=60)
@given(st.sampled_from(SHARES), st.sampled_from(SHARES), st.lists(st.integers(0, 190), min_size=3, max_size=3))
def test_nothing_is_down_where_a_spare_copy_has_room_for_as_long(
    share: float, wanted: float, others: list[int]
) -> None:
    first, spare = copies(vllm("a", Place("gpu01", (0,)), share), has_spare=True)
    beside = [declared(f"x{gpu}", Place("gpu01", (gpu,)), size) for gpu, size in enumerate(others) if size]
    inventory = Inventory("test", tuple(HOSTS), (first, spare, *beside))
    world = world_of(inventory)
    free = {gpu: now.identity.total_bytes - (now.used_bytes or 0) for gpu, now in world.gpus.items()}
    assume(min(free.values()) >= 0)
    change = SetArgument("a", "gpu-memory-utilization", wanted)
    plan = make_plan(inventory, with_copies(inventory, [change]), world)
    assume(not plan.unproven)
    after = apply(inventory, [change])
    estimate = assess(after, with_fixes=False).estimates["a"]
    ((own, needed),) = start_needs(first, estimate, MI300X).items()
    if any(size >= needed for gpu, size in free.items() if gpu.host == "gpu01" and gpu != own):
        assert "a" not in plan.downtime_seconds


@settings(max_examples=30)
@given(drafts())
def test_the_same_draft_has_the_same_plan(draft: tuple[Inventory, tuple[Change, ...]]) -> None:
    inventory, wanted = draft
    world = world_of(inventory)
    assert make_plan(inventory, wanted, world) == make_plan(inventory, wanted, world)
