"""What the operators agreed on, found broken: headroom, redundancy, power; and what the fleet costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.findings import Finding
from fleet.findings.assess import assess
from fleet.findings.power import cost, gpu_watts, still_holds
from fleet.inventory import Inventory
from fleet.inventory.changes import Move, apply
from fleet.inventory.loading import FleetFileError, load_text
from fleet.model import GpuId, Place

LLAMA = "engine: vllm 0.19.0, source: meta-llama/Llama-3.1-8B-Instruct, args: {gpu-memory-utilization: 0.4}"
OTHER = "engine: other, memory: 10 GB"


def fleet(policy: str, *models: str, host: str = "") -> Inventory:
    """A fleet of one host with that policy and those models, each ``name: facts``."""
    lines = "".join(f"  {model.partition(': ')[0]}: {{{model.partition(': ')[2]}}}\n" for model in models)
    hosts = f"hosts:\n  gpu01: {{address: a, accelerator: MI300X, gpus: 8{host}}}\n"
    return load_text(f"fleet: f\n{hosts}policy: {{{policy}}}\nmodels:\n{lines}", Path("fleet.yaml"))


def found(inventory: Inventory, code: str, **more: object) -> list[Finding]:
    return [finding for finding in assess(inventory, **more).findings if finding.code == code]  # type: ignore[arg-type]


def test_a_gpu_that_keeps_less_free_than_agreed_is_found_and_an_empty_one_is_not() -> None:
    models = ("a: engine: other, memory: 200 GB, place: gpu01/0", f"b: {OTHER}, place: gpu01/1")
    (finding,) = found(fleet("headroom: 8 GiB", *models), "POL002")
    assert finding.gpu == GpuId("gpu01", 0)
    assert finding.numbers["left_bytes"] < finding.numbers["headroom_bytes"] == 8 << 30
    assert not found(fleet("headroom: 1 GiB", *models), "POL002")


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("0",), "Chat is served by 1 model, and 2 were agreed on."),
        (("0", "0"), "Chat is served by 2 models, of which one GPU takes 2, and 2 were agreed on."),
        (("0", "0", "1"), None),
        (("0", "1"), None),
        (("0-1", "1-2"), "Chat is served by 2 models, of which one GPU takes 2, and 2 were agreed on."),
    ],
)
def test_a_role_is_served_by_as_many_models_as_no_gpu_takes_together(places: tuple[str, ...], said: str | None) -> None:
    models = (f"m{n}: {OTHER}, place: gpu01/{place}, role: chat" for n, place in enumerate(places))
    sentences = [finding.message for finding in found(fleet("redundancy: {chat: 2}", *models), "POL003")]
    assert sentences == ([said] if said else [])


def test_a_role_of_disabled_models_alone_is_served_by_none() -> None:
    inventory = fleet("redundancy: {chat: 1}", f"a: {OTHER}, enabled: false, role: chat")
    (finding,) = found(inventory, "POL003")
    assert finding.message == "Chat is served by 0 models, and 1 was agreed on."


def test_models_that_write_text_divide_a_gpus_bandwidth_and_so_its_power() -> None:
    inventory = fleet("", f"a: {LLAMA}, place: gpu01/0", f"b: {LLAMA}, place: gpu01/0", f"c: {LLAMA}, place: gpu01/1")
    watts = gpu_watts(inventory)
    assert watts[GpuId("gpu01", 0)] == watts[GpuId("gpu01", 1)] > watts[GpuId("gpu01", 2)]
    assert all(0 < drawn <= 750 for drawn in watts.values())


def test_a_host_above_its_cap_is_found_by_the_estimate() -> None:
    models = [f"m{n}: {LLAMA}, place: gpu01/{n}" for n in range(8)]
    (finding,) = found(fleet("", *models, host=", power_cap: 3 kW"), "POL004")
    assert finding.host == "gpu01"
    assert finding.message == "Its GPUs draw about 3.6 kW under load, estimated, and may 3.0 kW."
    assert not found(fleet("", *models, host=", power_cap: 4 kW"), "POL004")


def test_measured_power_beats_the_estimate_as_long_as_the_models_stay() -> None:
    models = [f"m{n}: {LLAMA}, place: gpu01/{n}" for n in range(7)]
    inventory = fleet("", *models, host=", power_cap: 3.5 kW")
    measured = dict.fromkeys(inventory.gpu_ids, 600.0)
    (finding,) = found(inventory, "POL004", watts=measured)
    assert "4.8 kW under load, measured" in finding.message
    after = apply(inventory, (Move("m0", Place("gpu01", (7,))),))
    assert set(inventory.gpu_ids) - set(still_holds(measured, inventory, after)) == {
        GpuId("gpu01", 0),
        GpuId("gpu01", 7),
    }


def test_a_fleet_costs_what_its_hosts_and_their_power_do() -> None:
    priced = fleet("currency: EUR, energy_price: 0.5", f"a: {OTHER}, place: gpu01/0", host=", price_per_hour: 20")
    costs = cost(priced)
    assert costs is not None
    assert costs.per_hour == pytest.approx(20 + sum(gpu_watts(priced).values()) / 1000 * 0.5)
    assert costs.per_month == pytest.approx(costs.per_hour * 730)
    assert str(costs).endswith("EUR a month")
    assert cost(fleet("", f"a: {OTHER}, place: gpu01/0")) is None


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("redundancy: {chta: 2}", "did you mean chat?"),
        ("headroom: 0 GiB", "it cannot be nothing"),
        ("windows: {open: []}", "at least one entry"),
        ("windows: {open: [monday]}", "window 1: 'monday' is not a window"),
        ("windows: {open: [mon], zone: Mars/Base}", "no time zone this machine knows"),
        ("energy_price: -1", "must be 0 or more"),
    ],
)
def test_a_policy_that_cannot_be_is_told_with_its_place(policy: str, said: str) -> None:
    with pytest.raises(FleetFileError, match=r"fleet.yaml:4:\d+: ") as error:
        fleet(policy, f"a: {OTHER}, place: gpu01/0, role: chat")
    assert said in str(error.value)


def test_a_power_cap_is_written_with_its_unit() -> None:
    with pytest.raises(FleetFileError, match="W or kW"):
        fleet("", host=", power_cap: 5500 VA")
