"""The fleet at one moment says in words what services, memory and engines say together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory
from fleet.model import Engine, GpuId, Model, Place
from fleet.readings import (
    EngineReading,
    EngineWord,
    GpuIdentity,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.state import FleetState, ModelWord
from fleet.state.joining import join, totals
from fleet.state.json import status_json
from fleet.units import GiB

PCI = ("0000:22:00.0", "0000:0c:00.0")
TOTAL = 206_141_652_992

WHISPER = Model(
    "whisper",
    Engine.parse("whisper"),
    place=Place("gpu01", (0,)),
    service="systemd:whisper.service",
    url="http://127.0.0.1:8002",
    memory_bytes=1_500_000_000,
)
SPARE = replace(WHISPER, name="spare", service="systemd:spare.service", place=None, enabled=False)
INVENTORY = Inventory("test", (Host("gpu01", "ops@gpu01", "MI300X", 2, notes={1: "spare"}),), (WHISPER, SPARE))


def snapshot(
    *,
    service: ServiceReading | None = None,
    engine: EngineReading | None = None,
    held: dict[str, int] | None = None,
    owner: str = "systemd:whisper.service",
    link: Link = Link.LIVE,
) -> HostSnapshot:
    gpus = tuple(
        GpuReading(GpuIdentity(pci, 0, str(n), None, n, total_bytes=TOTAL), used_bytes=3 * GiB, temperature_c=50.0)
        for n, pci in enumerate(PCI)
    )
    processes = (
        (ProcessReading(42, 1, "S", "python", "python serve", owner, tuple(held.items())),) if held is not None else ()
    )
    return HostSnapshot(
        "gpu01",
        link,
        read_at=100.0,
        reading=HostReading("boot", 1, 10.0, gpus, processes),
        services={"whisper": service} if service else {},
        engines={"whisper": engine} if engine else {},
    )


def joined(seen: HostSnapshot | None) -> FleetState:
    return join(assess(INVENTORY), {"gpu01": seen} if seen else {}, now=102.5)


ACTIVE = ServiceReading(ServiceWord.ACTIVE, main_pid=42)
HELD = {PCI[0]: 2 * GiB}


@pytest.mark.parametrize(
    ("service", "held", "healthy", "word"),
    [
        (ACTIVE, HELD, True, ModelWord.SERVING),
        (ACTIVE, HELD, False, ModelWord.LOADING),
        (ACTIVE, None, None, ModelWord.STARTING),
        (ServiceReading(ServiceWord.STARTING), None, None, ModelWord.STARTING),
        (ServiceReading(ServiceWord.STOPPING), HELD, True, ModelWord.STOPPING),
        (ServiceReading(ServiceWord.STOPPED), None, None, ModelWord.STOPPED),
        (ServiceReading(ServiceWord.STOPPED), HELD, None, ModelWord.DRAINING),
        (ServiceReading(ServiceWord.FAILED, result="exit-code"), None, None, ModelWord.FAILED),
        (ServiceReading(ServiceWord.MISSING), None, None, ModelWord.UNKNOWN),
        (None, None, None, ModelWord.UNKNOWN),
    ],
)
def test_a_model_is_in_one_state_word(
    service: ServiceReading | None, held: dict[str, int] | None, healthy: bool | None, word: ModelWord
) -> None:
    seen = snapshot(service=service, held=held, engine=EngineReading(healthy=healthy))
    assert joined(seen).model("whisper").word is word


def test_a_server_that_outlived_its_engine_has_failed() -> None:
    engine = EngineReading(healthy=False, word=EngineWord.DEAD)
    assert joined(snapshot(service=ACTIVE, held=HELD, engine=engine)).model("whisper").word is ModelWord.FAILED


def test_what_only_an_endpoint_tells_is_in_the_status_document() -> None:
    engine = EngineReading(healthy=True, word=EngineWord.READY, tokens_per_second=612.04999, ttft_p95_seconds=0.8)
    (model, *_) = status_json(joined(snapshot(service=ACTIVE, held=HELD, engine=engine)))["models"]
    assert (model["engine_word"], model["tokens_per_second"]) == ("ready", 612.05)
    assert model["ttft_seconds"] == {"p50": None, "p95": 0.8}


def test_a_disabled_model_that_does_not_run_says_so() -> None:
    assert joined(snapshot(service=ACTIVE, held=HELD)).model("spare").word is ModelWord.DISABLED


def test_a_lost_host_leaves_its_models_unknown_and_shows_its_age() -> None:
    state = joined(snapshot(service=ACTIVE, held=HELD, engine=EngineReading(healthy=True), link=Link.LOST))
    assert state.model("whisper").word is ModelWord.UNKNOWN
    assert (state.hosts[0].link, state.hosts[0].age_seconds) == (Link.LOST, 2.5)


def test_what_models_do_not_hold_is_other_memory() -> None:
    state = joined(snapshot(service=ACTIVE, held=HELD))
    assert state.gpu(GpuId("gpu01", 0)).other_bytes == 1 * GiB
    assert state.gpu(GpuId("gpu01", 1)).other_bytes == 3 * GiB


def test_memory_of_a_stranger_belongs_to_no_model() -> None:
    state = joined(snapshot(service=ACTIVE, held=HELD, owner="systemd:jupyter.service"))
    assert state.model("whisper").used_bytes == 0
    assert state.gpu(GpuId("gpu01", 0)).other_bytes == 3 * GiB


def test_a_model_that_runs_elsewhere_than_placed_is_shown_where_it_runs() -> None:
    state = joined(snapshot(service=ACTIVE, held={PCI[1]: 2 * GiB}))
    assert [model.name for model in state.gpu(GpuId("gpu01", 1)).models] == ["whisper"]


def test_gpus_are_numbered_by_hip_and_known_by_their_pci_address() -> None:
    assert [gpu.pci for gpu in joined(snapshot()).gpus] == list(PCI)


def test_measured_totals_replace_the_accelerators_own() -> None:
    assert totals(INVENTORY, {"gpu01": snapshot()}) == {GpuId("gpu01", 0): TOTAL, GpuId("gpu01", 1): TOTAL}
    assert totals(INVENTORY, {}) == {}


def test_the_status_document_keeps_its_contract_without_any_reading() -> None:
    document = status_json(joined(None))
    assert document["schema"] == "gpudeck/status/1"
    assert document["hosts"][0]["state"] == "unreachable"
    assert document["hosts"][0]["age_seconds"] is None
    gpu = document["hosts"][0]["gpus"][0]
    assert (gpu["id"], gpu["used_bytes"], gpu["models"]) == ("gpu01/0", None, ["whisper"])
    model = document["models"][0]
    assert (model["state"], model["place"], model["used_bytes"]) == ("unknown", "gpu01/0", None)
