"""LIVE009: a queue is told of, with what is full; a batch being filled is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleet.findings import Severity
from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import SetArgument, apply
from fleet.inventory.loading import load_text
from fleet.live.queues import find
from fleet.model import GpuId
from fleet.readings import Cordon, EngineReading, HostSnapshot, Link
from fleet.simulator.fleets import demo_fleet
from fleet.state import FleetState, ModelWord
from fleet.state.joining import join

DEMO = load_text(demo_fleet(), Path("fleet.yaml"))
CROWDED = EngineReading(running=50, waiting=40, kv_usage=0.94)


def state_with(
    engine: EngineReading,
    inventory: Inventory = DEMO,
    link: Link = Link.LIVE,
    name: str = "llama-3.1-8b",
    word: ModelWord = ModelWord.SERVING,
) -> FleetState:
    """The demo's fleet with one model as its endpoint says."""
    snapshots = {"gpu01": HostSnapshot("gpu01", link)}
    state = join(assess(inventory, with_fixes=False), snapshots, 0.0)
    models = tuple(replace(model, engine=engine, word=word) if model.name == name else model for model in state.models)
    return replace(state, models=models)


@pytest.mark.parametrize(
    ("engine", "cause"),
    [
        (EngineReading(running=50, waiting=40, kv_usage=0.94), "its KV cache is full"),
        (EngineReading(running=16, waiting=9, kv_usage=0.2), "as many at work as it takes"),
        (EngineReading(running=1, waiting=5), "as many at work as it takes"),
    ],
)
def test_a_queue_is_told_of_with_what_is_full_and_where_to_ask_for_a_copy(engine: EngineReading, cause: str) -> None:
    inventory = without_service("qwen3-32b", "llama-3.1-8b")
    (finding,) = find(state_with(engine, inventory), inventory)
    assert finding.code == "LIVE009"
    assert cause in finding.message
    assert f"{engine.waiting} requests wait for llama-3.1-8b" in finding.message
    assert ":try llama-3.1-8b" in finding.headline


@pytest.mark.parametrize(
    "engine",
    [EngineReading(), EngineReading(running=50, waiting=3, kv_usage=0.99), EngineReading(running=100, waiting=20)],
)
def test_a_few_that_wait_beside_many_are_no_queue(engine: EngineReading) -> None:
    assert list(find(state_with(engine), DEMO)) == []


def test_what_waited_when_the_host_was_last_heard_is_no_queue_now() -> None:
    assert list(find(state_with(CROWDED, link=Link.LOST, word=ModelWord.UNKNOWN), DEMO)) == []


def without_service(*names: str) -> Inventory:
    """The demo's fleet, where no plan can start those models."""
    models = (replace(model, service=None) if model.name in names else model for model in DEMO.models)
    return replace(DEMO, models=tuple(models))


def test_a_disabled_model_of_the_role_that_fits_is_the_fix_and_its_place_is_said() -> None:
    inventory = apply(DEMO, [SetArgument("qwen3-32b", "gpu-memory-utilization", 0.5)])
    (finding,) = find(state_with(CROWDED, inventory), inventory)
    fix = finding.fixes[0]
    assert fix.summary == "enable qwen3-32b on gpu01/3"
    assert ":try" not in finding.headline
    after = assess(apply(inventory, fix.changes))
    assert after.inventory.model("qwen3-32b").enabled
    assert not [f for f in after.findings if f.model == "qwen3-32b" and f.severity is Severity.ERROR]


def test_a_disabled_copy_of_the_model_itself_comes_before_others_of_the_role() -> None:
    text = demo_fleet().replace(
        "  llama-3.1-8b:\n",
        "  llama-3.1-8b:\n    replicas: [{place: gpu01/3, service: systemd:other.service, enabled: false, "
        'url: "http://127.0.0.1:8999"}]\n',
    )
    inventory = load_text(text, Path("fleet.yaml"))
    (finding,) = find(state_with(CROWDED, inventory), inventory)
    assert finding.fixes[0].summary.startswith("enable llama-3.1-8b_2 on gpu01/")


def test_nothing_is_proposed_where_the_host_is_not_read_or_is_cordoned() -> None:
    (finding,) = find(state_with(CROWDED, link=Link.STALE), DEMO)
    assert finding.fixes == ()
    state = state_with(CROWDED)
    (host,) = state.hosts
    closed = tuple(replace(gpu, cordon=Cordon("maintenance", "ops", 0.0)) for gpu in host.gpus)
    (finding,) = find(replace(state, hosts=(replace(host, gpus=closed),)), DEMO)
    assert finding.fixes == ()


def test_a_full_cache_is_offered_what_is_free_beside_it_and_everything_there_still_fits() -> None:
    (finding,) = find(state_with(CROWDED), DEMO)
    (fix,) = finding.fixes
    after = assess(apply(DEMO, fix.changes))
    before = assess(DEMO)
    tokens = [assessment.estimates["llama-3.1-8b"].kv_cache_tokens or 0 for assessment in (before, after)]
    assert fix.summary.endswith(f", {tokens[1] / tokens[0]:.1f} times the KV cache")
    assert tokens[1] > 1.5 * tokens[0]
    outlook = after.outlooks[GpuId("gpu01", 0)]
    assert 0 < outlook.spare_bytes < 0.05 * outlook.total_bytes
    assert {f.code for f in after.findings} <= {f.code for f in before.findings}


@pytest.mark.parametrize("name", ["llama-3.3-70b", "deepcoder-14b"])
def test_a_full_cache_on_a_full_gpu_is_offered_nothing(name: str) -> None:
    (finding,) = find(state_with(CROWDED, name=name), DEMO)
    assert finding.fixes == ()


def test_a_cache_that_is_not_full_is_not_enlarged() -> None:
    (finding,) = find(state_with(EngineReading(running=16, waiting=9, kv_usage=0.2)), DEMO)
    assert finding.fixes == ()
