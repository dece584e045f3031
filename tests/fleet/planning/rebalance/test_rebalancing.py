"""A fleet rebalanced: what is proposed fits by the real estimate, is explained, and leaves alone what it shall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from fleet.findings import Severity
from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Enable, Move, SetArgument, apply, check_claims
from fleet.inventory.loading import load
from fleet.model import Arguments, Engine, GpuId, Model, Place
from fleet.planning.rebalance.rebalancing import Proposal, rebalance

DEMO = Path(__file__).parents[4] / "fleet" / "simulator" / "fleet.yaml"
SOURCES = (
    "meta-llama/Llama-3.1-8B-Instruct",
    "mistralai/Devstral-Small-2505",
    "Qwen/Qwen3-32B",
    "google/gemma-3-27b-it",
)


def vllm(name: str, place: str | None, share: float, port: int = 0, version: str = "0.9.2", **more: object) -> Model:
    """A vLLM model that insists on its share of a GPU."""
    return Model(
        name,
        Engine.parse(f"vllm {version}"),
        source="meta-llama/Llama-3.1-8B-Instruct",
        place=Place.parse(place) if place else None,
        service=f"systemd:{name}.service",
        url=f"http://127.0.0.1:{port}" if port else None,
        args=Arguments({"gpu-memory-utilization": share, "max-model-len": 8192}),
        **more,  # type: ignore[arg-type]
    )


def fleet(*models: Model, gpus: int = 2, hosts: int = 1) -> Inventory:
    return Inventory(
        "test", tuple(Host(f"gpu{n:02}", f"ops@gpu{n:02}", "MI300X", gpus) for n in range(1, hosts + 1)), models
    )


def errors(inventory: Inventory) -> set[tuple[str, str | None]]:
    found = assess(inventory, with_fixes=False).findings
    return {(finding.code, finding.model) for finding in found if finding.severity is Severity.ERROR}


def moves(proposal: Proposal) -> dict[str, str]:
    return {change.model: str(change.place) for change in proposal.changes if isinstance(change, Move)}


def test_two_halves_that_do_not_start_together_are_put_apart_by_one_restart() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.5), vllm("b", "gpu01/0", 0.5))
    assert errors(before)
    proposal = rebalance(before)
    assert not errors(apply(before, proposal.changes))
    assert list(moves(proposal).values()) == ["gpu01/1"]
    assert (proposal.restarts, proposal.proved, proposal.unplaced) == (1, True, ())


@pytest.mark.parametrize(("busy", "moved"), [("a", "b"), ("b", "a")])
def test_the_model_that_serves_most_is_left_alone(busy: str, moved: str) -> None:
    before = fleet(vllm("a", "gpu01/0", 0.5), vllm("b", "gpu01/0", 0.5))
    assert set(moves(rebalance(before, requests={busy: 20}))) == {moved}


@pytest.mark.parametrize(("alone", "moved"), [("a", "b"), ("b", "a")])
def test_the_only_model_of_a_role_is_left_alone(alone: str, moved: str) -> None:
    roles = {alone: "code", moved: "chat"}
    pair = (replace(vllm(name, "gpu01/0", 0.5), role=roles[name]) for name in ("a", "b"))
    proposal = rebalance(fleet(*pair, replace(vllm("c", "gpu01/1", 0.2), role="chat")))
    assert set(moves(proposal)) == {moved}


def test_every_move_has_a_sentence_that_says_where_from_what_and_how_much_stays_free() -> None:
    proposal = rebalance(fleet(vllm("a", "gpu01/0", 0.5), vllm("b", "gpu01/0", 0.5)))
    assert list(proposal.reasons) == list(moves(proposal))
    for name, reason in proposal.reasons.items():
        assert reason.startswith(f"{name} to gpu01/1: ")
        assert "will not start again" in reason
        assert "GiB stay free there" in reason


def test_a_fleet_in_which_all_fits_is_left_alone() -> None:
    proposal = rebalance(fleet(vllm("a", "gpu01/0", 0.4), vllm("b", "gpu01/0", 0.4)))
    assert proposal.changes == ()
    assert proposal.summary == "Nothing needs to move."


def test_the_demo_is_mended_by_one_restart() -> None:
    proposal = rebalance(load(DEMO))
    assert (proposal.restarts, proposal.proved) == (1, True)
    assert not errors(apply(load(DEMO), proposal.changes))


def test_a_model_that_is_enabled_without_a_place_gets_one() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.9), vllm("b", None, 0.9, enabled=False))
    proposal = rebalance(before, (Enable("b"),))
    assert proposal.changes == (Move("b", Place("gpu01", (1,))), Enable("b"))
    assert apply(before, proposal.changes).model("b").enabled


def test_a_disabled_model_stays_disabled_unless_it_is_asked_for() -> None:
    assert rebalance(fleet(vllm("a", "gpu01/0", 0.9), vllm("b", None, 0.9, enabled=False))).changes == ()


def test_what_the_operator_moved_stays_there_and_the_neighbours_make_room() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.6), vllm("b", "gpu01/1", 0.6), gpus=3)
    proposal = rebalance(before, (Move("a", Place("gpu01", (1,))),))
    assert moves(proposal)["a"] == "gpu01/1"
    assert moves(proposal)["b"] in ("gpu01/0", "gpu01/2")


def test_the_changes_that_are_given_are_part_of_the_question() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.4), vllm("b", "gpu01/0", 0.4))
    larger = SetArgument("a", "gpu-memory-utilization", 0.8)
    proposal = rebalance(before, (larger,))
    assert proposal.changes[0] == larger
    assert moves(proposal) == {"a": "gpu01/1"}  # which is restarted in any case
    assert not errors(apply(before, proposal.changes))


def test_a_gpu_is_emptied_and_the_others_are_left_as_they_are() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.4), vllm("b", "gpu01/0", 0.4), vllm("c", "gpu01/1", 0.4), gpus=3)
    proposal = rebalance(before, emptied=frozenset({GpuId("gpu01", 0)}), only_empties=True)
    assert set(moves(proposal)) == {"a", "b"}
    assert not apply(before, proposal.changes).on(GpuId("gpu01", 0))
    assert all("gpu01/0 is to be emptied" in reason for reason in proposal.reasons.values())


def test_a_closed_gpu_keeps_what_is_on_it_and_takes_nothing_new() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.4), vllm("b", "gpu01/1", 0.3), vllm("c", "gpu01/2", 0.3), gpus=3)
    emptied, closed = frozenset({GpuId("gpu01", 0)}), frozenset({GpuId("gpu01", 1)})
    proposal = rebalance(before, emptied=emptied, closed=closed, only_empties=True)
    assert moves(proposal) == {"a": "gpu01/2"}
    assert moves(rebalance(before, emptied=closed, closed=emptied, only_empties=True)) == {"b": "gpu01/2"}


def test_models_with_one_port_stay_on_different_hosts() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.9, 8000), vllm("b", "gpu02/0", 0.9, 8000), hosts=2)
    proposal = rebalance(before, emptied=frozenset({GpuId("gpu02", 0)}), only_empties=True)
    assert moves(proposal) == {"b": "gpu02/1"}
    check_claims(apply(before, proposal.changes))


def test_what_fits_nowhere_is_named_and_everything_else_is_left() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.9), vllm("b", "gpu01/1", 0.9), vllm("c", None, 0.9, enabled=False))
    proposal = rebalance(before, (Enable("c"),))
    assert proposal.unplaced == ("c",)
    assert proposal.changes == ()
    assert "no place was found for c" in proposal.summary


def test_a_model_no_plan_can_restart_is_not_moved() -> None:
    by_hand = replace(vllm("a", "gpu01/0", 0.5), service=None)
    assert set(moves(rebalance(fleet(by_hand, vllm("b", "gpu01/0", 0.5))))) == {"b"}


@pytest.mark.parametrize(("pinned", "moved"), [("a", "b"), ("b", "a")])
def test_a_pinned_model_stays_and_its_neighbour_goes(pinned: str, moved: str) -> None:
    models = (vllm("a", "gpu01/0", 0.5), vllm("b", "gpu01/0", 0.5))
    proposal = rebalance(fleet(*(replace(model, pinned=model.name == pinned) for model in models)))
    assert set(moves(proposal)) == {moved}


def test_a_search_that_is_cancelled_at_once_still_mends_the_fleet() -> None:
    before = fleet(vllm("a", "gpu01/0", 0.5), vllm("b", "gpu01/0", 0.5))
    proposal = rebalance(before, goes_on=lambda: False)
    assert not errors(apply(before, proposal.changes))


@pytest.mark.parametrize("seed", range(6))
def test_no_proposal_has_an_error_the_fleet_had_not(seed: int) -> None:
    before = drawn(seed)
    proposal = rebalance(before, seconds=2.0)
    after = apply(before, proposal.changes)
    assert errors(after) <= errors(before)
    check_claims(after)
    if not proposal.unplaced:
        assert not [code for code, _ in errors(after) if code.startswith("MEM")]
    assert_moves_only(before, proposal.changes)


def drawn(seed: int) -> Inventory:
    """Two hosts of four GPUs with nine models, some of which do not start together."""
    rng = Random(seed)
    models = []
    for number in range(9):
        width = rng.choice((1, 1, 1, 2))
        first = rng.randrange(5 - width)
        place = Place(f"gpu0{rng.choice((1, 2))}", tuple(range(first, first + width)))
        model = vllm(f"m{number}", str(place), rng.choice((0.3, 0.45, 0.6)), 8000 + number)
        args = {**model.args, "tensor-parallel-size": width} if width > 1 else model.args
        models.append(replace(model, source=rng.choice(SOURCES), args=Arguments(args)))
    return fleet(*models, gpus=4, hosts=2)


def assert_moves_only(before: Inventory, changes: tuple[Change, ...]) -> None:
    for change in changes:
        assert isinstance(change, Move)
        assert change.place != before.model(change.model).place
