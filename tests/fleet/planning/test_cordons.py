"""Nothing new is placed on a cordoned GPU."""

from __future__ import annotations

import pytest
from bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import UsageError
from fleet.inventory.changes import Move, Restart
from fleet.model import GpuId, Place
from fleet.planning.carry import Fit, Hand
from fleet.planning.cordons import gpus_named
from fleet.readings import Cordon
from fleet.services.cordons import WHOLE_HOST, parse_cordons, write_cordons

CORDON = Cordon("ops@desk", "fan $(reboot) 'x'", 1.0)
SPARE = GpuId("gpu01", 3)


def written(*turns: tuple[list[str], bool]) -> str:
    return "".join(write_cordons("sudo", gpus, CORDON, lift=lift)[-1].stdin.decode() for gpus, lift in turns)


def test_a_cordon_holds_until_it_is_lifted() -> None:
    text = written((["0000:0c:00.0", "0000:22:00.0"], False), (["0000:0c:00.0"], True), ([WHOLE_HOST], False))
    assert parse_cordons(text) == {"0000:22:00.0": CORDON, WHOLE_HOST: CORDON}


@given(st.text(max_size=300))
def test_whatever_the_file_holds_it_is_read(text: str) -> None:
    assert parse_cordons(text + "\n" + written((["0000:0c:00.0"], False)))["0000:0c:00.0"] == CORDON


async def test_a_model_is_not_placed_on_a_cordoned_gpu_and_one_that_is_there_may_be_restarted(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/3", 100)
    bench.host.cordons = written(([bench.host.latest("gpu01").reading.gpus[3].identity.pci], False))  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="a cannot be placed on gpu01/3: cordoned by ops@desk: fan"):
        await bench.plan(Move("a", Place.parse("gpu01/3")))
    assert (await bench.plan(Restart("b"))).steps


async def test_no_model_waits_on_a_cordoned_gpu_in_between(bench: Bench) -> None:
    bench.add("vital", "gpu01/0", 180)
    bench.add("small", "gpu01/1", 20)
    swap = Move("vital", Place.parse("gpu01/1")), Move("small", Place.parse("gpu01/0"))
    gpus = bench.host.latest("gpu01").reading.gpus  # type: ignore[union-attr]
    bench.host.cordons = written(([gpu.identity.pci for gpu in gpus[2:]], False))
    starts = [str(step.gpus[0]) for step in (await bench.plan(*swap)).steps if step.action == "start"]
    assert sorted(starts) == ["gpu01/0", "gpu01/1"]


def test_a_carried_model_is_told_of_a_cordon(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    (model,) = bench.inventory.models
    assert Hand(bench.inventory, (model,), cordoned=[SPARE]).verdict(SPARE).fit is Fit.CORDONED
    assert Hand(bench.inventory, (model,)).verdict(SPARE).fit is Fit.FITS


@pytest.mark.parametrize("text", ["gpu02", "gpu01/4", "gpu01/", "gpu01/x", "/1"])
def test_what_names_no_gpu_is_refused(bench: Bench, text: str) -> None:
    with pytest.raises(UsageError):
        gpus_named(bench.inventory, text)
