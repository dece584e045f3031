"""More requests than usual, and more hosts than one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import UsageError
from fleet.findings import Severity
from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.loading import load_text
from fleet.simulator.fleets import MOST_HOSTS, demo_fleet
from fleet.simulator.physics import Machine
from fleet.simulator.provision import command_line
from fleet.simulator.scenario import SCENARIOS, rush_hour
from fleet.simulator.simulation import SimulatedHost

NOON = 1_795_262_400.0


def machine_at(demo: Inventory, folder: Path, scenario: str, seconds: float) -> Machine:
    """The demo's host so long after it came up."""
    host = SimulatedHost(demo, demo.hosts[0], folder, lambda: NOON, seed=0, speed=15.0, demand=SCENARIOS[scenario])
    machine = host.running.machine
    machine.advance(NOON + seconds)
    return machine


def waiting(machine: Machine) -> dict[str, int]:
    return {unit: run.load.waiting for unit, run in machine.runs.items() if run.load}


def test_in_a_rush_hour_requests_queue_for_every_chat_model_and_for_no_other(demo: Inventory, tmp_path: Path) -> None:
    chat = {f"vllm-{name}.service" for name in ("llama-3.1-8b", "llama-3.3-70b")}
    before = machine_at(demo, tmp_path / "before", "rush-hour", 8)
    assert not any(number > 4 for number in waiting(before).values())
    queued = waiting(machine_at(demo, tmp_path / "during", "rush-hour", 90))
    assert all(queued[unit] > 4 for unit in chat)
    others = {unit for unit in queued if unit not in chat and "gemma" not in unit}
    assert all(queued[unit] <= 4 for unit in others)
    over = machine_at(demo, tmp_path / "after", "rush-hour", 210)
    assert not any(number > 4 for number in waiting(over).values())


def test_without_a_scenario_nothing_queues(demo: Inventory, tmp_path: Path) -> None:
    assert not any(number > 4 for number in waiting(machine_at(demo, tmp_path / "host", "usual", 90)).values())


def test_a_rush_hour_rises_holds_and_falls_and_comes_again() -> None:
    assert [rush_hour("chat", at) for at in (0, 20, 100, 200)] == [1.0, 2.5, 4.0, 1.0]
    assert rush_hour("chat", 400) == 4.0
    assert rush_hour("code", 100) == 1.0


def test_further_hosts_serve_what_the_first_serves_and_start_it_alike(demo: Inventory) -> None:
    wide = load_text(demo_fleet(3), Path("fleet.yaml"))
    assert [host.name for host in wide.hosts] == ["gpu01", "gpu02", "gpu03"]
    assert len(wide.placed) == 3 * len(demo.placed)
    for model in demo.placed:
        copy = wide.model(f"{model.name}-gpu03")
        assert copy.place is not None
        assert (copy.place.host, copy.place.gpus) == ("gpu03", model.place.gpus if model.place else ())
        assert command_line(copy) == command_line(model)
    assert not [finding for finding in assess(wide).findings if finding.severity is Severity.ERROR]


@pytest.mark.parametrize("hosts", [0, MOST_HOSTS + 1])
def test_a_number_of_hosts_that_cannot_be_simulated_is_refused(hosts: int) -> None:
    with pytest.raises(UsageError, match="cannot be simulated"):
        demo_fleet(hosts)
