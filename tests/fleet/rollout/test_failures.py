"""What a failure costs: who is asked before others go back with it, and when the rest goes on."""

from __future__ import annotations

import pytest
from bench import Bench

from fleet.inventory.changes import Change, Move
from fleet.model import Place
from fleet.rollout.events import Outcome, Result
from fleet.rollout.executor import Rollout


def move(model: str, place: str) -> Move:
    return Move(model, Place.parse(place))


async def run(bench: Bench, *changes: Change, max_failures: int = 1, asked: list[str] | None = None) -> Result:
    """Carry these out; whoever is asked says no."""

    async def refuse(models: tuple[str, ...]) -> bool:
        assert asked is not None
        asked.extend(models)
        return False

    journal = bench.journal()
    try:
        return await Rollout(
            await bench.plan(*changes),
            {"gpu01": bench.host},
            bench.host,
            journal,
            bench.events.append,
            operator="ops@here",
            may_stop=refuse,
            max_failures=max_failures,
        ).run()
    finally:
        journal.close()


async def test_a_healthy_model_is_not_stopped_for_the_way_back_of_another_unasked(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    asked: list[str] = []
    plan = await bench.plan(move("a", "gpu01/1"), move("b", "gpu01/0"))
    first, last = (step.model for step in plan.steps if step.action == "wait")
    bench.host.refuses[f"{last}.service"] = "RuntimeError: no"
    result = await run(bench, move("a", "gpu01/1"), move("b", "gpu01/0"), asked=asked)
    assert (result.outcome, result.done, asked) == (Outcome.FAILED, (first,), [first])
    assert f"{first} would have had to be stopped, so everything is left as it stands now." in result.message
    assert [bench.host.state[name][0] for name in (first, last)] == [True, False]


async def three_of_which(bench: Bench, failing: str) -> tuple[Change, ...]:
    """Three models that move, each on GPUs of its own; those fail."""
    bench.add("a", "gpu01/0", 40)
    bench.add("b", "gpu01/0", 30)
    bench.add("c", "gpu01/0", 20)
    changes = move("a", "gpu01/1"), move("b", "gpu01/2"), move("c", "gpu01/3")
    order = [step.model for step in (await bench.plan(*changes)).steps if step.action == "wait"]
    for place in failing:
        bench.host.refuses[f"{order[int(place)]}.service"] = "ValueError: no"
    bench.host.faulty_starts = 1
    return changes


@pytest.mark.parametrize(
    ("failing", "max_failures", "moved"),
    [("1", 1, 1), ("1", 2, 2), ("12", 2, 1), ("12", 3, 1), ("0", 3, 0)],
)
async def test_the_rest_goes_on_until_too_many_have_failed(
    bench: Bench, failing: str, max_failures: int, moved: int
) -> None:
    result = await run(bench, *await three_of_which(bench, failing), max_failures=max_failures)
    assert result.outcome is Outcome.RESTORED
    assert len(result.done) == moved
    assert sum(gpus != (0,) for _, _, gpus in bench.host.state.values()) == moved
    assert all(running for running, _, _ in bench.host.state.values())
