"""Rollouts that are not gone through with: a window that closes, and what an operator leaves as it stands."""

from __future__ import annotations

import pytest
from bench import Bench
from fake_host import LOCK, Killed

from fleet.inventory.changes import Move
from fleet.model import Place
from fleet.planning.replay import breaches
from fleet.rollout.events import Outcome, Result

MOVES = tuple(Move(name, Place.parse(f"gpu01/{gpu}")) for name, gpu in (("a", 1), ("b", 2), ("c", 3)))


@pytest.fixture
def three(bench: Bench) -> Bench:
    """Three models that move, each on GPUs of its own."""
    for name, size in (("a", 40), ("b", 30), ("c", 20)):
        bench.add(name, "gpu01/0", size)
    return bench


class Window:
    """Holds so many seconds of what is asked for."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.asked: list[float] = []

    def __call__(self, seconds: float) -> str:
        self.asked.append(seconds)
        self.left -= seconds
        return "The window closes." if self.left < 0 else ""


async def run(bench: Bench, window: Window) -> Result:
    journal = bench.journal()
    try:
        return await bench.rollout(await bench.plan(*MOVES), journal, may_begin=window).run()
    finally:
        journal.close()


async def test_no_model_is_begun_that_the_window_does_not_hold_and_what_is_done_stands(three: Bench) -> None:
    plan = await three.plan(*MOVES)
    assert not breaches(plan)
    waits = [step for step in plan.steps if step.action == "wait"]
    window = Window(plan.seconds - 1)
    result = await run(three, window)
    assert (result.outcome, result.done) == (Outcome.STOPPED, tuple(step.model for step in waits[:2]))
    assert result.message == f"The window closes. Not begun: {waits[2].model}."
    assert sum(window.asked) == pytest.approx(plan.seconds)
    assert [three.host.state[step.model][2] == (0,) for step in waits] == [False, False, True]
    assert (three.unfinished(), three.host.lock.held) == (None, {})


async def test_a_model_that_was_begun_is_gone_through_with_however_late_it_is(three: Bench) -> None:
    plan = await three.plan(*MOVES)
    three.host.fault = (1, True, Killed())
    with pytest.raises(Killed):
        await three.run(*MOVES)
    result = await three.resumed(may_begin=Window(0))
    assert (result.outcome, result.done) == (Outcome.STOPPED, (plan.steps[0].model,))


async def test_a_swap_is_one_thing_to_the_window(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    swap = Move("a", Place.parse("gpu01/1")), Move("b", Place.parse("gpu01/0"))
    plan, window, journal = await bench.plan(*swap), Window(10_000), bench.journal()
    result = await bench.rollout(plan, journal, may_begin=window).run()
    journal.close()
    assert result.outcome is Outcome.DONE
    assert window.asked == [pytest.approx(plan.seconds)]


async def test_a_model_that_ends_after_it_came_up_is_a_failure_of_the_rollout(three: Bench) -> None:
    first = next(step.model for step in (await three.plan(*MOVES)).steps if step.action == "wait")
    three.host.dies.add(f"{first}.service")
    three.host.units[f"{first}.service"].lives = 10
    three.host.faulty_starts = 1
    result = await three.run(*MOVES)
    assert (result.outcome, result.failed) == (Outcome.RESTORED, first)
    assert f"{first} came up, and since then its service failed (exit-code)." in result.message
    assert [three.host.state[name][2] == (0,) for name in "abc"] == [name == first for name in "abc"]


async def test_what_is_accepted_stands_and_the_next_may_begin(three: Bench) -> None:
    plan = await three.plan(*MOVES)
    first = plan.steps[0].model
    second = next(step for step in plan.steps if step.model != first)
    three.host.before_write = lambda line: kill(line, f"stop {second.model}.service")
    with pytest.raises(Killed):
        await three.run(*MOVES)
    three.host.before_write = lambda _: None
    state = three.host.state
    result = await three.accepted()
    assert (result.outcome, result.done) == (Outcome.ACCEPTED, (first,))
    assert (three.host.state, three.unfinished(), three.host.lock.held) == (state, None, {})
    three.follow(*(move for move in MOVES if move.model in result.done))
    assert (await three.run(*(move for move in MOVES if move.model not in result.done))).outcome is Outcome.DONE


def kill(line: str, at: str) -> None:
    if at in line:
        raise Killed


async def test_a_rollout_on_a_host_that_is_gone_can_be_accepted(three: Bench) -> None:
    three.host.fault = (1, True, Killed())
    with pytest.raises(Killed):
        await three.run(*MOVES)
    three.host.cut_line()
    result = await three.accepted()
    assert (result.outcome, result.done) == (Outcome.ACCEPTED, ())
    assert result.message == "gpu01 was lost. How it stands there is not known."
    assert three.unfinished() is None
    assert LOCK in three.host.lock.held


@pytest.mark.parametrize(("allowed", "done"), [(1, 1), (2, 2)])
async def test_whoever_resumes_says_how_many_may_fail(three: Bench, allowed: int, done: int) -> None:
    second = [step.model for step in (await three.plan(*MOVES)).steps if step.action == "wait"][1]
    three.host.fault = (1, True, Killed())
    with pytest.raises(Killed):
        await three.run(*MOVES)
    three.host.refuses[f"{second}.service"] = "ValueError: no"
    three.host.faulty_starts = 1
    result = await three.resumed(max_failures=allowed)
    assert (result.outcome, result.failed, len(result.done)) == (Outcome.RESTORED, second, done)
