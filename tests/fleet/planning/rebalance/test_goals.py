"""The operators' own goals: each is worth as many restarts as they say, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Move, apply
from fleet.inventory.loading import load_text
from fleet.inventory.policy import Goals
from fleet.model import Place
from fleet.planning.rebalance import exact
from fleet.planning.rebalance.greedy import repair
from fleet.planning.rebalance.loads import score
from fleet.planning.rebalance.problem import Host, Item, Need, Problem, Slot
from fleet.planning.rebalance.rebalancing import rebalance
from fleet.planning.rebalance.search import Progress, search
from fleet.units import GiB

KIND = "a kind"


def item(name: str, size: int, gpu: int, role: str | None = None, generates: bool = False) -> Item:
    sizes = (size * GiB,)
    return Item(name, 1, {KIND: Need(sizes, sizes)}, Slot(0, (gpu,)), role=role, generates=generates)


def found(goals: Goals, *items: Item, gpus: int = 3) -> dict[str, int]:
    """Where each model goes, on GPUs of 100 GiB."""
    posed = Problem((Host("gpu01", KIND, (100 * GiB,) * gpus),), items, goals=goals)
    answer = search(posed, 10.0)
    assert answer.proved
    return {this.name: slot.gpus[0] for this, slot in zip(items, answer.assignment, strict=True) if slot}


CHATS = (item("a", 30, 0, "chat"), item("b", 30, 0, "chat"), item("c", 30, 1, "code"))


@pytest.mark.parametrize(("worth", "moved"), [(0.0, 0), (0.9, 0), (1.1, 1)])
def test_models_of_a_role_go_apart_where_that_is_worth_a_restart(worth: float, moved: int) -> None:
    places = found(Goals(role_apart=worth), *CHATS)
    assert (places["a"] != places["b"]) == bool(moved)
    assert places["c"] == 1


def test_models_that_write_text_go_apart_where_that_is_worth_a_restart() -> None:
    writers = (item("a", 30, 0, generates=True), item("b", 30, 0, generates=True), item("c", 30, 1))
    assert len(set(found(Goals(decode_apart=2), *writers).values())) >= 2
    assert found(Goals(), *writers)["b"] == 0


def test_models_are_packed_where_an_empty_gpu_is_worth_their_restarts() -> None:
    spread = (item("a", 30, 0), item("b", 30, 1), item("c", 30, 2))
    assert len(set(found(Goals(free_gpu=1.1), *spread).values())) == 1
    assert len(set(found(Goals(free_gpu=0.9), *spread).values())) == 3


def test_a_gpu_is_kept_for_trials_and_no_more_than_asked_for() -> None:
    spread = (item("a", 30, 0), item("b", 30, 1), item("c", 30, 2))
    assert len(set(found(Goals(reserve=1), *spread).values())) == 2
    assert len(set(found(Goals(reserve=1), *spread, gpus=4).values())) == 3


def test_the_fullest_gpu_is_relieved_where_that_is_worth_a_restart() -> None:
    full = (item("a", 45, 0), item("b", 45, 0))
    assert len(set(found(Goals(even=0.3), *full, gpus=2).values())) == 2
    assert len(set(found(Goals(even=0.1), *full, gpus=2).values())) == 1


def test_nothing_is_left_out_for_a_goal() -> None:
    full = (item("a", 60, 0, "chat"), item("b", 60, 1, "chat"), item("c", 60, 2, "chat"))
    assert len(found(Goals(reserve=2, free_gpu=50, role_apart=50), *full)) == 3


def test_on_many_hosts_goals_are_sought_part_by_part() -> None:
    hosts = tuple(Host(f"gpu{n:02}", KIND, (100 * GiB,) * 8) for n in range(6))
    items = tuple(
        replace(item(f"m{n}", 20, n % 8, "chat"), home=Slot(n // 16, (n % 8,))) for n in range(32)
    )  # two of a role on each GPU of two hosts
    posed = Problem(hosts, items, goals=Goals(role_apart=2))
    assert score(posed, tuple(each.home for each in items)).restarts == 32
    reached = [32.0]

    def tell(progress: Progress) -> None:
        reached.append(progress.score.restarts)

    search(posed, 60.0, goes_on=lambda: reached[-1] > 16 + 1e-6, on_progress=tell)
    assert reached[-1] <= 16 + 1e-6  # one restart for each pair, in place of two


@st.composite
def goals(draw: st.DrawFn) -> Goals:
    worth = st.sampled_from((0.0, 0.4, 1.5))
    return Goals(
        even=draw(worth),
        free_gpu=draw(worth),
        reserve=draw(st.integers(0, 2)),
        role_apart=draw(worth),
        decode_apart=draw(worth),
    )


@settings(max_examples=60)
@given(goals(), st.lists(st.tuples(st.integers(5, 70), st.integers(0, 2), st.booleans()), min_size=1, max_size=5))
def test_the_solver_pays_what_the_score_says(wanted: Goals, facts: list[tuple[int, int, bool]]) -> None:
    items = tuple(
        item(f"m{n}", size, gpu, "chat" if n % 2 else "code", writes) for n, (size, gpu, writes) in enumerate(facts)
    )
    posed = Problem((Host("gpu01", KIND, (100 * GiB,) * 3),), items, goals=wanted)
    answer = exact.best(posed, repair(posed), 20.0, lambda: True)
    assert answer is not None and answer.proved
    best = score(posed, answer.assignment)
    every = [posed.slots(n, 0) for n in range(len(items))]
    tried = [score(posed, tuple(slot if i == n else each for i, each in enumerate(answer.assignment)))
             for n, slots in enumerate(every) for slot in slots]  # fmt: skip
    assert all(best[:2] <= other[:2] for other in tried)
    assert all(best.restarts <= other.restarts + 1e-3 for other in tried if other[:2] == best[:2])


def fleet(goals: str = "", headroom: str = "1 GiB") -> Inventory:
    """Two chat models on one GPU, a third model on another, and an empty one."""
    models = "".join(
        f"  {name}: {{engine: vllm 0.9.2, source: meta-llama/Llama-3.1-8B-Instruct, place: gpu01/{gpu}, role: {role}, "
        f"service: systemd:{name}.service, args: {{gpu-memory-utilization: {share}}}}}\n"
        for name, gpu, role, share in (("a", 0, "chat", 0.45), ("b", 0, "chat", 0.45), ("c", 1, "code", 0.4))
    )
    policy = f"policy: {{headroom: {headroom}, rebalance: {{{goals}}}}}\n"
    hosts = "hosts:\n  gpu01: {address: a, accelerator: MI300X, gpus: 3}\n"
    return load_text(f"fleet: test\n{hosts}{policy}models:\n{models}", Path("fleet.yaml"))


def test_the_fleet_file_says_what_a_goal_is_worth_and_the_reason_names_it() -> None:
    assert rebalance(fleet()).changes == ()
    proposal = rebalance(fleet("role_apart: 2"))
    assert proposal.restarts == 1
    (reason,) = proposal.reasons.values()
    assert "on gpu01/0 it was beside" in reason and "which is for chat too" in reason


def test_a_role_that_costs_more_to_restart_is_left_alone() -> None:
    proposal = rebalance(fleet("decode_apart: 2, restart_of: {chat: 3}, free_gpu: 0.1"))
    assert proposal.changes == ()  # the goal is worth two, a restart of either costs three


def test_the_headroom_agreed_on_is_kept_free() -> None:
    before = fleet(headroom="24 GiB")
    assert [f.gpu for f in assess(before).findings if f.code == "POL002"]
    proposal = rebalance(before)
    assert len([change for change in proposal.changes if isinstance(change, Move)]) == 1
    assert not [f for f in assess(apply(before, proposal.changes)).findings if f.code == "POL002"]


def test_what_a_packed_fleet_costs_is_told_beside_what_it_cost() -> None:
    inventory = fleet("free_gpu: 2")
    priced = replace(inventory, policy=replace(inventory.policy, energy_price=1.0, currency="EUR"))
    apart = apply(priced, (Move("b", Place("gpu01", (2,))),))
    proposal = rebalance(apart)
    assert proposal.costs.startswith("About ") and "EUR a month instead of" in proposal.costs
    assert all("left empty" in reason for reason in proposal.reasons.values())
    assert rebalance(inventory).costs == ""
