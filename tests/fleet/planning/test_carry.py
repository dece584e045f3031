"""What every GPU says to models that are carried over it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Enable, Move
from fleet.inventory.loading import load_text
from fleet.model import Arguments, Engine, GpuId, Model, Place
from fleet.planning.carry import Best, Fit, Hand, Verdict, best_fit, nearest_miss
from fleet.simulator.fleets import demo_fleet
from fleet.units import GiB

HOST = Host("gpu01", "gpu01", "MI300X", 4)


def gpu(index: int) -> GpuId:
    return GpuId("gpu01", index)


def declared(name: str, gib: int, *gpus: int) -> Model:
    return Model(name, Engine("other"), place=Place("gpu01", gpus) if gpus else None, memory_bytes=gib * GiB)


def hand(*carried: str, models: tuple[Model, ...]) -> Hand:
    fleet = Inventory("test", (HOST,), models)
    return Hand(fleet, tuple(fleet.model(name) for name in carried))


def test_models_carried_together_fit_only_where_all_of_them_do() -> None:
    models = declared("a", 60, 0), declared("b", 70, 0), declared("half", 96, 1)
    assert hand("a", models=models).verdict(gpu(1)).possible
    assert hand("b", models=models).verdict(gpu(1)).possible
    together = hand("a", "b", models=models)
    assert [answer.fit for answer in together.verdicts.values()] == [Fit.HERE, Fit.SHORT, Fit.FITS, Fit.FITS]
    assert together.verdict(gpu(2)).changes == (Move("a", Place("gpu01", (2,))), Move("b", Place("gpu01", (2,))))


def test_of_models_carried_together_only_those_move_that_are_elsewhere() -> None:
    models = declared("a", 60, 0), declared("b", 70, 1)
    assert hand("a", "b", models=models).verdict(gpu(1)).changes == (Move("a", Place("gpu01", (1,))),)


def test_a_block_among_them_decides_where_they_may_land() -> None:
    models = declared("small", 10, 0), declared("block", 10, 0, 1, 2)
    fits = [answer.fit for answer in hand("small", "block", models=models).verdicts.values()]
    assert fits[2:] == [Fit.TOO_FEW, Fit.TOO_FEW]


def test_a_disabled_model_among_them_is_enabled() -> None:
    models = declared("a", 10, 0), replace(declared("off", 10), enabled=False)
    assert Enable("off") in hand("a", "off", models=models).verdict(gpu(1)).changes


def test_a_model_in_no_place_takes_a_gpu_for_every_rank_it_asks_for() -> None:
    args = Arguments({"tensor-parallel-size": 2, "data-parallel-size": 2})
    wide = replace(declared("wide", 10), enabled=False, args=args)
    assert Move("wide", Place("gpu01", (0, 1, 2, 3))) in hand("wide", models=(wide,)).verdict(gpu(0)).changes
    assert hand("wide", models=(wide,)).verdict(gpu(1)).fit is Fit.TOO_FEW


def test_a_swap_is_offered_where_both_would_start_and_a_drop_would_not() -> None:
    models = declared("large", 150, 0), declared("medium", 100, 1), declared("beside", 30, 0)
    carried = hand("large", models=models)
    assert carried.verdict(gpu(1)).fit is Fit.SHORT
    swap = carried.swap(gpu(1))
    assert swap is not None
    assert swap.partner == "medium"
    assert swap.verdict.changes == (Move("large", Place("gpu01", (1,))), Move("medium", Place("gpu01", (0,))))


def test_no_swap_is_offered_that_would_not_start() -> None:
    models = declared("large", 150, 0), declared("medium", 100, 1), declared("beside", 100, 0)
    assert hand("large", models=models).swap(gpu(1)) is None


def test_of_several_partners_the_one_that_leaves_most_room_is_offered() -> None:
    models = declared("carried", 60, 0), declared("near", 20, 0), declared("small", 40, 1), declared("large", 80, 1)
    swap = hand("carried", models=models).swap(gpu(1))
    assert swap is not None
    assert swap.partner == "large"


def test_blocks_change_places_only_with_blocks_as_wide() -> None:
    models = declared("wide", 10, 0, 1), declared("other", 10, 2, 3), declared("narrow", 10, 2)
    carried = hand("wide", models=models)
    swap = carried.swap(gpu(2))
    assert swap is not None
    assert swap.partner == "other"
    assert hand("narrow", models=models).swap(gpu(0)) is None


def test_the_best_fit_names_what_it_is_better_than() -> None:
    roomy, roomier = Verdict(Fit.FITS, 40 * GiB), Verdict(Fit.FITS, 60 * GiB)
    tight, short = Verdict(Fit.TIGHT, 90 * GiB), Verdict(Fit.SHORT, 2 * GiB)
    assert best_fit({gpu(0): roomy, gpu(1): roomier, gpu(2): tight}) == Best(
        gpu(1), "most room left; next gpu01/0 40.0"
    )
    assert best_fit({gpu(0): tight, gpu(1): roomy}) == Best(gpu(1), "the only one that is not tight; next gpu01/0")
    assert best_fit({gpu(0): short, gpu(1): tight}) == Best(gpu(1), "the only GPU where everything starts")
    assert best_fit({gpu(0): roomy, gpu(1): roomy}) == Best(gpu(0), "most room left, as much as gpu01/1")


def test_where_nothing_fits_the_nearest_miss_is_known() -> None:
    answers = {gpu(0): Verdict(Fit.SHORT, 9), gpu(1): Verdict(Fit.SHORT, 2), gpu(2): Verdict(Fit.HERE, 0)}
    assert best_fit(answers) is None
    assert nearest_miss(answers) == (gpu(1), 2)
    assert nearest_miss({gpu(2): Verdict(Fit.HERE, 0)}) is None


def test_a_gpu_answers_in_a_wide_fleet_as_it_does_where_its_host_is_alone() -> None:
    alone, wide = (load_text(demo_fleet(hosts), Path("fleet.yaml")) for hosts in (1, 3))
    answers = Hand(wide, (wide.model("gemma-3-27b"),)).verdicts
    for where, expected in Hand(alone, (alone.model("gemma-3-27b"),)).verdicts.items():
        assert (answers[where].fit, answers[where].size_bytes) == (expected.fit, expected.size_bytes)
    assert list(answers) == list(wide.gpu_ids)


def test_what_is_carried_to_another_host_leaves_room_on_its_own() -> None:
    wide = load_text(demo_fleet(2), Path("fleet.yaml"))
    carried = Hand(wide, (wide.model("gemma-3-27b"),))
    answer = carried.verdict(GpuId("gpu02", 3))
    assert answer.possible
    whole = carried.after(answer.changes)
    assert answer.after is not None
    for where in (GpuId("gpu01", 7), GpuId("gpu02", 3)):
        assert answer.after.outlooks[where] == whole.outlooks[where]
    assert set(whole.outlooks) == set(wide.gpu_ids)
