"""What is proposed is an ordinary draft: it becomes a plan, and the plan is carried out without a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from bench import Bench

from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable, Move, apply
from fleet.inventory.policy import Goals, Policy
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


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_is_proposed_is_carried_out_without_a_refusal(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    bench, free = Bench(tmp_path / "state.sqlite"), [180] * 4
    for number in range(chance.randint(5, 12)):
        size, gpu = chance.randint(10, 70), chance.randrange(4)
        wide = chance.random() < 0.2
        gpus = (gpu // 2 * 2, gpu // 2 * 2 + 1) if wide else (gpu,)
        if all(free[each] >= size for each in gpus):
            bench.add(f"m{number}", f"gpu01/{gpus[0]}-{gpus[-1]}" if wide else f"gpu01/{gpu}", size)
            for each in gpus:
                free[each] -= size
    bench.add("new", "gpu01/0", chance.randint(60, 150), enabled=False)
    goals = Goals(
        free_gpu=chance.choice((0.0, 1.5)),
        role_apart=chance.choice((0.0, 1.5)),
        reserve=chance.choice((0, 1)),
        even=chance.choice((0.0, 0.5)),
    )
    served = fleet(bench)
    roles = (replace(model, role=chance.choice(("chat", "code", None))) for model in served.models)
    served = replace(served, models=tuple(roles), policy=Policy(goals=goals))
    asked: list[Change] = [Enable("new")] if chance.random() < 0.7 else []
    emptied = frozenset({GpuId("gpu01", 3)} if chance.random() < 0.3 else ())
    proposal = rebalance(served, asked, emptied=emptied)

    before, after = assess(served), assess(apply(served, proposal.changes))
    known = {(finding.code, finding.subject) for finding in before.findings if finding.severity == "error"}
    assert {(f.code, f.subject) for f in after.findings if f.severity == "error"} <= known
    if not proposal.changes:
        return
    plan = await bench.plan(*proposal.changes)
    assert plan.unproven == ()
    assert not [finding for finding in plan.findings if finding.severity == "error"]
    assert (await bench.run(*proposal.changes)).outcome is Outcome.DONE
    assert all(after.inventory.on(GpuId("gpu01", gpu)) or not bench.host.used(gpu) for gpu in range(4))
