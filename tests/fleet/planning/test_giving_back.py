"""Taking our overlays away gives back exactly what was there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench import Bench

from fleet.errors import GpudeckError
from fleet.inventory.changes import Change, Move, Serve, SetArgument
from fleet.model import Arguments, Place
from fleet.planning.giving_back import asked, giving_back
from fleet.planning.world import read_world
from fleet.rollout.events import Outcome


async def changes_of(bench: Bench) -> tuple[Change, ...]:
    world = await read_world(bench.inventory, asked(bench.inventory), {"gpu01": bench.host}, bench.host.snapshots)
    return giving_back(bench.inventory, world)


async def rolled_out(bench: Bench, *changes: Change) -> None:
    assert (await bench.run(*changes)).outcome is Outcome.DONE
    bench.follow(*changes)


@pytest.fixture
def two(bench: Bench) -> Bench:
    bench.add("llama", "gpu01/0", 40)
    bench.add("qwen", "gpu01/1", 40)
    unit = bench.host.units["llama.service"]
    unit.own = unit.own.replace("/opt/serve llama", "/opt/vllm serve m --max-model-len 8192 --dtype half")
    model = replace(bench.inventory.model("llama"), args=Arguments((("max-model-len", 8192), ("dtype", "half"))))
    bench.inventory = replace(bench.inventory, models=(model, bench.inventory.model("qwen")))
    return bench


async def test_moves_and_arguments_go_back_and_nothing_of_ours_is_left(two: Bench) -> None:
    before, fleet = two.host.state, two.inventory
    moved = Move("llama", Place.parse("gpu01/2"))
    await rolled_out(two, moved, SetArgument("llama", "max-model-len", 4096), SetArgument("llama", "dtype", None))
    assert two.host.state != before
    await rolled_out(two, *await changes_of(two))
    assert two.host.state == before
    assert {model.name: model.place for model in two.inventory.models} == {m.name: m.place for m in fleet.models}
    assert dict(two.inventory.model("llama").args) == {"max-model-len": 8192, "dtype": "half"}


async def test_the_checkpoint_goes_back_too(two: Bench) -> None:
    before = two.host.state
    model = replace(two.inventory.model("llama"), source="m")
    two.inventory = replace(two.inventory, models=(model, two.inventory.model("qwen")))
    await rolled_out(two, Serve("llama", "a/small"))
    assert "/opt/vllm serve a/small" in (two.host.units["llama.service"].overlay or "")
    assert await changes_of(two) == (Serve("llama", "m"),)
    await rolled_out(two, *await changes_of(two))
    assert two.host.state == before


async def test_without_overlays_there_is_nothing_to_give_back(two: Bench) -> None:
    assert await changes_of(two) == ()


async def test_a_unit_that_does_not_say_its_gpus_is_not_let_loose(two: Bench) -> None:
    await rolled_out(two, Move("qwen", Place.parse("gpu01/3")))
    unit = two.host.units["qwen.service"]
    unit.own = unit.own.replace("Environment=HIP_VISIBLE_DEVICES=1\n", "")
    with pytest.raises(GpudeckError, match="does not say which GPUs"):
        await changes_of(two)
