"""What the loss of a GPU would come to."""

from __future__ import annotations

from fleet.findings import Tense
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Move
from fleet.model import Engine, GpuId, Model, Place
from fleet.planning.without import loss_of
from fleet.units import GiB

GONE = GpuId("gpu01", 0)
TOTALS = {GpuId("gpu01", index): 192 * GiB for index in range(3)}


def declared(name: str, gib: int, index: int, role: str) -> Model:
    return Model(name, Engine("other"), place=Place("gpu01", (index,)), memory_bytes=gib * GiB, role=role)


FLEET = Inventory(
    "test",
    (Host("gpu01", "gpu01", "MI300X", 3),),
    (
        declared("large", 150, 0, "chat"),
        declared("small", 20, 0, "speech"),
        declared("half", 96, 1, "code"),
        declared("more", 80, 2, "code"),
    ),
)


def test_of_what_fits_nowhere_the_nearest_miss_beside_the_lost_gpu_is_told() -> None:
    loss = loss_of({GONE}, FLEET, [Move("small", Place("gpu01", (1,)))], ["large"], totals=TOTALS)
    found = loss.homeless["large"]
    assert found is not None
    gpu, missing = found
    assert gpu == GpuId("gpu01", 2)
    assert 38 * GiB <= missing < 40 * GiB  # 150 + 80 of 192, and the driver's own


def test_only_roles_that_no_model_has_any_more_are_lost() -> None:
    assert loss_of({GONE}, FLEET, [], ["large"], totals=TOTALS).roles == ("chat",)
    assert loss_of({GONE}, FLEET, [], ["half"], totals=TOTALS).roles == ()


def test_its_findings_speak_of_what_would_be() -> None:
    loss = loss_of({GONE}, FLEET, [Move("large", Place("gpu01", (1,)))], ["small"], totals=TOTALS)
    assert loss.after.findings
    assert {finding.tense for finding in loss.after.findings} == {Tense.WHAT_IF}
