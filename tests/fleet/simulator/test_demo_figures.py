"""The figures the demo fleet must show, from the machine that serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.hardware import accelerator
from fleet.inventory import Inventory
from fleet.simulator.cards import cards
from fleet.simulator.physics import Machine, Phase
from fleet.simulator.provision import write_units
from fleet.simulator.simulation import warm_up
from fleet.simulator.systemd import Manager
from fleet.units import GiB

NOON = 1_795_262_400.0


@pytest.fixture(scope="module", params=[0, 1, 2])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, demo: Inventory) -> Machine:
    root: Path = tmp_path_factory.mktemp("root")
    write_units(root, demo.models)
    machine = Machine("gpu01", cards(accelerator("MI300X"), 8), now=NOON, seed=request.param)
    warm_up(Manager(machine, root, {}), demo.models)
    return machine


def used(machine: Machine, gpu: int) -> float:
    return machine.memory.used(machine.cards[gpu]) / GiB


def held(machine: Machine, unit: str, gpu: int) -> float:
    processes = machine.runs[unit].processes
    return sum(machine.memory.held(process.pid, machine.cards[gpu]) for process in processes) / GiB


def kv_tokens(machine: Machine, unit: str) -> int:
    load = machine.runs[unit].load
    assert load is not None
    return load.serving.kv_tokens


def log(machine: Machine, unit: str) -> str:
    return "\n".join(entry.message for entry in machine.journal.of(frozenset([unit])))


def test_every_enabled_model_serves(machine: Machine, demo: Inventory) -> None:
    enabled = sum(model.enabled for model in demo.models)
    assert [run.phase for run in machine.runs.values()] == [Phase.SERVING] * enabled


def test_llama_8b_has_a_pool_of_about_79_gib_and_650k_tokens(machine: Machine) -> None:
    assert "reserved for KV Cache is 78." in log(machine, "vllm-llama-3.1-8b.service")
    assert kv_tokens(machine, "vllm-llama-3.1-8b.service") == pytest.approx(645_000, rel=0.01)


def test_whisper_holds_more_than_was_declared(machine: Machine) -> None:
    assert held(machine, "whisper.service", 0) == pytest.approx(2.2, abs=0.05)


def test_the_two_coders_leave_less_than_a_gib(machine: Machine) -> None:
    assert 190.5 < used(machine, 1) < 191.9


def test_llama_70b_has_room_for_about_173k_tokens(machine: Machine) -> None:
    text = log(machine, "vllm-llama-3.3-70b.service")
    assert "model weights take 131.74GiB" in text
    assert "reserved for KV Cache is 52." in text
    assert kv_tokens(machine, "vllm-llama-3.3-70b.service") == pytest.approx(172_600, rel=0.005)
    assert "Maximum concurrency for 131072 tokens per request: 1.32x" in text


def test_the_retrieval_pipeline_shares_gpu_3(machine: Machine) -> None:
    assert held(machine, "docling.service", 3) == pytest.approx(1.05, abs=0.03)
    assert held(machine, "tei-bge-reranker.service", 3) == pytest.approx(2.86, abs=0.05)
    assert held(machine, "tei-multilingual-e5.service", 3) == pytest.approx(1.46, abs=0.03)
    assert "model weights take 23.55GiB" in log(machine, "vllm-mistral-small-24b.service")


def test_the_very_large_model_fills_three_gpus_unevenly(machine: Machine) -> None:
    bars = [held(machine, "llama-mai-ds-r1.service", gpu) for gpu in (4, 5, 6)]
    assert bars == pytest.approx([117.6, 135.8, 123.7], abs=0.3)


def test_gemma_leaves_room_for_trials(machine: Machine) -> None:
    assert 100 < used(machine, 7) < 106


def test_nothing_grows_beyond_its_gpu_over_a_day_of_traffic(machine: Machine) -> None:
    for _ in range(24):
        machine.skip(machine.now + 3600)
        machine.advance(machine.now + 60)
        assert all(machine.memory.free(card) >= 0 for card in machine.cards)
    assert 190.5 < used(machine, 1) < 191.984


def test_sensors_follow_the_load(machine: Machine) -> None:
    busy, quiet = machine.heat[machine.cards[2]], machine.heat[machine.cards[3]]
    assert busy.busy > quiet.busy
    assert 480 < busy.watts < 750
    assert busy.celsius > quiet.celsius + 8
