"""LIVE009: a queue is told of, with what is full; a batch being filled is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleet.findings.assess import assess
from fleet.inventory.loading import load_text
from fleet.live.queues import find
from fleet.readings import EngineReading
from fleet.simulator.fleets import demo_fleet
from fleet.state import FleetState
from fleet.state.joining import join


def state_with(engine: EngineReading) -> FleetState:
    """The demo's fleet with one model as its endpoint says."""
    state = join(assess(load_text(demo_fleet(), Path("fleet.yaml")), with_fixes=False), {}, 0.0)
    models = tuple(replace(model, engine=engine) if model.name == "llama-3.1-8b" else model for model in state.models)
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
    (finding,) = find(state_with(engine))
    assert finding.code == "LIVE009"
    assert cause in finding.message
    assert f"{engine.waiting} requests wait for llama-3.1-8b" in finding.message
    assert ":try llama-3.1-8b" in finding.headline


@pytest.mark.parametrize(
    "engine",
    [EngineReading(), EngineReading(running=50, waiting=3, kv_usage=0.99), EngineReading(running=100, waiting=20)],
)
def test_a_few_that_wait_beside_many_are_no_queue(engine: EngineReading) -> None:
    assert list(find(state_with(engine))) == []
