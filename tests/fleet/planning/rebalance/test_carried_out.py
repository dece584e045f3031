"""What is proposed is an ordinary draft: it becomes a plan, and the plan is carried out without a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fake_host import Bench

from fleet.inventory import Inventory
from fleet.inventory.changes import Enable, Move
from fleet.model import GpuId
from fleet.planning.rebalance.rebalancing import rebalance
from fleet.rollout.events import Outcome


def fleet(bench: Bench) -> Inventory:
    """The bench's fleet, each model with a port of its own."""
    models = (replace(model, url=f"http://127.0.0.1:{port}") for port, model in enumerate(bench.inventory.models, 8000))
    return replace(bench.inventory, models=tuple(models))


async def test_room_is_made_for_a_model_that_fits_nowhere_as_things_are(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state.sqlite")
    for gpu in range(4):
        bench.add(f"m{gpu}", f"gpu01/{gpu}", 60 + gpu)
    bench.add("new", "gpu01/0", 180, enabled=False)
    proposal = rebalance(fleet(bench), (Enable("new"),))
    assert proposal.unplaced == ()
    assert proposal.restarts == 1
    plan = await bench.plan(*proposal.changes)
    assert plan.unproven == ()
    assert not [finding for finding in plan.findings if finding.severity == "error"]
    assert (await bench.run(*proposal.changes)).outcome is Outcome.DONE


async def test_a_gpu_is_evacuated(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state.sqlite")
    for number in range(3):
        bench.add(f"m{number}", "gpu01/0", 50)
    proposal = rebalance(fleet(bench), emptied=frozenset({GpuId("gpu01", 0)}), only_empties=True)
    assert {change.model for change in proposal.moves if isinstance(change, Move)} == {"m0", "m1", "m2"}
    assert (await bench.run(*proposal.changes)).outcome is Outcome.DONE
    assert bench.host.used(0) == 0
