"""What one more model would come to, over fleets small enough to count by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.hardware import SERVERS
from fleet.inventory import Inventory
from fleet.inventory.loading import load_text
from fleet.model import Arguments, Engine, GpuId, Model
from fleet.planning.capacity.answer import Addition, capacity
from fleet.planning.capacity.json import capacity_json
from fleet.planning.capacity.spots import MOST_ON_A_GPU, Measured
from fleet.planning.carry import Fit
from fleet.units import GB


def fleet(models: str, gpus: int = 2) -> Inventory:
    """A host of MI300X, 206 GB each, with models of declared sizes."""
    lines = f"fleet: small\nhosts:\n  a: {{address: ops@a, accelerator: MI300X, gpus: {gpus}}}\nmodels:\n{models}"
    return load_text(lines, Path("small.yaml"))


def declared(name: str, size: str, place: str, more: str = "") -> str:
    """A line of the fleet file."""
    return f"  {name}: {{engine: other, memory: {size}, place: {place}, service: 'systemd:{name}.service'{more}}}\n"


def newcomer(gigabytes: int) -> Model:
    return Model("new?", Engine("other"), role="chat", memory_bytes=gigabytes * GB, enabled=False)


def added(inventory: Inventory, model: Model, measured: Measured | None = None) -> Addition:
    (only,) = capacity(inventory, [model], measured or Measured()).additions
    return only


def test_a_gpu_takes_as_many_copies_as_its_memory_holds() -> None:
    found = added(fleet(declared("big", "150 GB", "a/0")), newcomer(45))
    assert [(str(spot.place), spot.copies) for spot in found.spots] == [("a/0", 1), ("a/1", 4)]
    assert found.copies_now == 5
    assert found.best is not None
    assert str(found.best.place) == "a/1"


def test_what_would_start_beyond_counting_is_not_counted() -> None:
    assert added(fleet(declared("big", "150 GB", "a/0")), newcomer(1)).copies_now == 2 * MOST_ON_A_GPU


def test_where_nothing_has_room_another_model_moves_for_it() -> None:
    halves = declared("left", "100 GB", "a/0") + declared("right", "90 GB", "a/1")
    found = added(fleet(halves), newcomer(150))
    assert found.copies_now == 0
    assert found.best is None
    assert found.proposal is not None
    assert found.proposal.restarts == 1
    assert found.most.copies == 1
    assert found.instead is None


def test_where_no_move_makes_room_the_least_that_would_stop_is_named_and_the_role_it_was_the_last_of() -> None:
    models = (
        declared("chat-1", "150 GB", "a/0", ", role: chat")
        + declared("speech", "110 GB", "a/1", ", role: speech")
        + declared("little", "40 GB", "a/1", ", role: chat")
    )
    found = added(fleet(models), newcomer(120))
    assert not found.fits
    assert found.instead is not None
    assert (str(found.instead.place), found.instead.stopped, found.instead.roles) == ("a/0", ("chat-1",), ())


def test_a_pinned_model_is_never_offered_up() -> None:
    found = added(fleet(declared("rock", "150 GB", "a/0", ", pin: true"), gpus=1), newcomer(120))
    assert found.instead is None


def test_a_cordoned_gpu_takes_nothing_new() -> None:
    closed = Measured(cordoned=frozenset({GpuId("a", 1)}))
    found = added(fleet(declared("big", "150 GB", "a/0")), newcomer(45), closed)
    assert [spot.verdict.fit for spot in found.spots] == [Fit.FITS, Fit.CORDONED]
    assert found.most.copies == 1


def test_a_model_over_two_gpus_is_offered_aligned_pairs() -> None:
    model = Model(
        "new?",
        Engine.parse("vllm 0.9.0"),
        "Qwen/Qwen3-32B",
        args=Arguments({"tensor-parallel-size": 2, "gpu-memory-utilization": 0.4}),
        enabled=False,
    )
    found = added(fleet(declared("big", "150 GB", "a/2"), gpus=4), model)
    assert [(str(spot.place), spot.verdict.possible) for spot in found.spots] == [("a/0-1", True), ("a/2-3", False)]


def test_models_that_fit_alone_are_answered_together_and_those_that_do_not_are_left_out() -> None:
    inventory = fleet(declared("big", "150 GB", "a/0"))
    large, huge = newcomer(120), Model("huge?", Engine("other"), memory_bytes=400 * GB, enabled=False)
    second = Model("second?", Engine("other"), memory_bytes=60 * GB, enabled=False)
    found = capacity(inventory, [large, huge, second], Measured())
    assert [each.fits for each in found.additions] == [True, False, True]
    assert found.together is not None
    assert found.together.unplaced == ()
    assert capacity(inventory, [large, huge], Measured()).together is None


def test_a_model_that_does_not_even_start_alone_has_its_refusal_and_ways_out() -> None:
    model = Model("new?", Engine.parse("vllm 0.9.0"), "deepseek-ai/DeepSeek-V3", enabled=False)
    found = added(fleet(declared("big", "150 GB", "a/0"), gpus=8), model)
    assert found.alone.refusal is not None
    assert "tensor-parallel-size 8" in [way.summary for way in found.ways_out]
    assert found.most.copies == 0


def test_of_two_servers_alike_but_for_memory_the_larger_carries_more() -> None:
    model = Model("new?", Engine.parse("vllm 0.9.0"), "Qwen/Qwen3-32B", enabled=False)
    (only,) = capacity(fleet(declared("big", "1 GB", "a/0")), [model], Measured(), buying=True).additions
    by_kind = {offer.accelerator.name: offer for offer in only.offers}
    assert set(by_kind) == set(SERVERS)
    assert by_kind["MI325X"].worth > by_kind["MI300X"].worth
    assert by_kind["H200"].worth > by_kind["H100"].worth
    assert by_kind["H100"].gpus_each > 1  # 65 GB of weights leave no cache of its length on one
    assert [offer.worth for offer in only.offers] == sorted((offer.worth for offer in only.offers), reverse=True)


@pytest.mark.parametrize("gigabytes", [45, 120, 400])
def test_the_document_says_what_the_answer_says(gigabytes: int) -> None:
    found = capacity(fleet(declared("big", "150 GB", "a/0")), [newcomer(gigabytes)], Measured())
    document = capacity_json(found)
    (model,) = document["models"]
    assert document["schema"] == "gpudeck/capacity/1"
    assert model["now"]["copies"] == sum(place["copies"] for place in model["now"]["places"])
    for place in model["now"]["places"]:
        assert ("free_bytes" in place) == (place["fit"] in ("fits", "tight"))
