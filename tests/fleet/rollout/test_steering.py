"""An operator at the wheel, on the way there and on the way back: pausing, single steps, leaving, and coming again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from bench import Bench
from fake_host import Killed

from fleet.inventory.changes import Move
from fleet.model import Place
from fleet.planning.plan import Action, Plan
from fleet.rollout.events import WAYS_ON, Event, Kind, Outcome, Phase, Result
from fleet.rollout.executor import Rollout
from fleet.rollout.restoring import restoring

SWAP = (Move("a", Place.parse("gpu01/1")), Move("b", Place.parse("gpu01/0")))
MOVES = tuple(Move(name, Place.parse(f"gpu01/{gpu}")) for name, gpu in (("a", 1), ("b", 2), ("c", 3)))
STEPS = 8
"""Of the swap, there as well as back."""
Steer = Callable[[Rollout, Event], None]
State = dict[str, tuple[bool, str | None, tuple[int, ...]]]
"""Of each model whether it runs, its overlay, its GPUs."""


@pytest.fixture
def swap(bench: Bench) -> Bench:
    """Two models that cannot be on one GPU together."""
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    return bench


@pytest.fixture
def three(bench: Bench) -> Bench:
    """Three models that move, each on GPUs of its own."""
    for name in "abc":
        bench.add(name, "gpu01/0", 30)
    return bench


async def steered(bench: Bench, plan: Plan, steer: Steer) -> Result:
    """Carry it out; whoever steers is told every event."""

    def watch(event: Event) -> None:
        bench.events.append(event)
        steer(rollout, event)

    with closing(bench.journal()) as journal:
        rollout: Rollout = bench.rollout(plan, journal, watch)
        return await rollout.run()


def back_at_the_end(plan: Plan, and_then: Steer) -> Steer:
    """All is wanted back in the last step of the plan, and then this."""

    def steer(rollout: Rollout, event: Event) -> None:
        if (event.kind, event.step) == (Kind.STARTED, plan.steps[-1]):
            rollout.roll_back()
        and_then(rollout, event)

    return steer


def leaves_in(phase: Phase, number: int, *, at_once: bool = False) -> Steer:
    """It is left in that step."""

    def steer(rollout: Rollout, event: Event) -> None:
        if event.kind is Kind.STARTED and event.step and (event.phase, event.step.n) == (phase, number):
            rollout.leave(at_once=at_once)

    return steer


def check_words(bench: Bench, result: Result, before: State, after: State) -> None:
    """Of each model it is said truly how it stands."""
    said = {
        model.split(" (")[0]: group.split(": ")[0].strip()
        for group in result.message.partition("Left as it stands.")[2].partition(WAYS_ON)[0].split(".")
        if ":" in group
        for model in group.split(": ")[1].split(", ")
    }
    assert set(said) == set(bench.host.state)
    for model, group in said.items():
        state = bench.host.state[model]
        assert group != "As before" or state == before[model]
        assert group != "As the plan wants" or state == after[model]


async def both_ends(bench: Bench, *changes: Move) -> tuple[State, State]:
    """How it stands before and after these, by a bench of its own."""
    twin = Bench(bench.path.with_name("twin.sqlite"))
    for model in bench.inventory.models:
        assert model.place and model.memory_bytes
        twin.add(model.name, str(model.place), model.memory_bytes >> 30)
    before = twin.host.state
    assert (await twin.run(*changes)).outcome is Outcome.DONE
    return before, twin.host.state


async def test_a_way_back_pauses_after_its_step_and_goes_step_by_step(swap: Bench) -> None:
    before, plan = swap.host.state, await swap.plan(*SWAP)
    taken: list[int | str] = []

    def steer(rollout: Rollout, event: Event) -> None:
        if event.phase is Phase.ROLLBACK and event.kind is Kind.STARTED and event.step:
            taken.append(event.step.n)
            if event.step.n == 1:
                rollout.pause()
        if event.kind is Kind.PAUSED:
            assert rollout.paused
            taken.append("paused")
            if len(swap.said(Kind.PAUSED)) < 3:
                rollout.single_step()
            else:
                rollout.resume()

    result = await steered(swap, plan, back_at_the_end(plan, steer))
    assert taken[:6] == [1, "paused", 2, "paused", 3, "paused"]
    assert "paused" not in taken[6:]
    assert (result.outcome, swap.host.state) == (Outcome.ROLLED_BACK, before)


@pytest.mark.parametrize("way", ["resume", "rollback"])
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("number", range(1, STEPS))
async def test_it_can_be_left_after_any_step_there_or_back_and_both_ways_are_open_then(
    swap: Bench, number: int, phase: Phase, way: str
) -> None:
    before, after = await both_ends(swap, *SWAP)
    plan = await swap.plan(*SWAP)
    assert len(plan.steps) == len(restoring(plan, range(len(plan.steps) + 1))) == STEPS
    leaves = leaves_in(phase, number)
    result = await steered(swap, plan, back_at_the_end(plan, leaves) if phase is Phase.ROLLBACK else leaves)
    assert result.outcome is Outcome.LEFT
    assert result.message.endswith(WAYS_ON)
    check_words(swap, result, before, after)
    assert swap.unfinished() is not None
    assert (swap.host.lock.held, swap.host.scripts) == ({}, {}), "others may have the host"
    result = await (swap.undone() if way == "rollback" else swap.resumed())
    assert result.outcome is (Outcome.ROLLED_BACK if way == "rollback" else Outcome.DONE)
    assert swap.host.state == (before if way == "rollback" else after)


async def test_what_is_left_is_named_model_by_model_with_how_far_each_came(three: Bench) -> None:
    plan = await three.plan(*MOVES)
    first, second, third = (step.model for step in plan.steps if step.action is Action.WAIT)
    start = next(step for step in plan.steps if (step.model, step.action) == (second, Action.START))
    result = await steered(three, plan, leaves_in(Phase.PLAN, start.n))
    words = f"As the plan wants: {first}. Half way: {second} (start done). Not begun: {third}."
    assert result.message == f"Left as it stands. {words} {WAYS_ON}"
    assert result.done == (first,)


async def test_a_pause_can_be_ended_by_leaving(swap: Bench) -> None:
    def steer(rollout: Rollout, event: Event) -> None:
        if event.kind is Kind.STARTED:
            rollout.pause()
        if event.kind is Kind.PAUSED:
            rollout.leave()

    result = await steered(swap, await swap.plan(*SWAP), steer)
    assert (result.outcome, len(swap.said(Kind.STARTED))) == (Outcome.LEFT, 1)


@pytest.mark.parametrize("phase", Phase)
async def test_leaving_at_once_does_not_wait_for_what_hangs(swap: Bench, phase: Phase) -> None:
    plan = await swap.plan(*SWAP)
    targets = plan.steps if phase is Phase.PLAN else restoring(plan, range(len(plan.steps) + 1))
    wait = next(step for step in targets if step.action is Action.WAIT)

    def steer(rollout: Rollout, event: Event) -> None:
        if event.step and event.step.action is Action.START and event.phase is phase:
            swap.host.hangs.add(f"{wait.model}.service")
        if event.kind is Kind.PROGRESS and (event.phase, event.step) == (phase, wait):
            rollout.leave(at_once=True)

    started = swap.host.now
    result = await steered(swap, plan, back_at_the_end(plan, steer) if phase is Phase.ROLLBACK else steer)
    assert result.outcome is Outcome.LEFT
    back = " on the way back" if phase is Phase.ROLLBACK else ""
    assert f"{wait.model} (wait begun, not done{back})" in result.message
    assert swap.host.now - started < 60
    swap.host.hangs.clear()
    assert (await swap.undone()).outcome is Outcome.ROLLED_BACK


async def test_leaving_at_once_does_not_wait_for_commands_that_hang_and_they_are_found_there_later(swap: Bench) -> None:
    def steer(rollout: Rollout, event: Event) -> None:
        if event.message == "it is still at work on gpu01":
            rollout.leave(at_once=True)

    swap.host.slow = True
    result = await steered(swap, await swap.plan(*SWAP), steer)
    assert result.outcome is Outcome.UNKNOWN
    assert result.message.startswith("gpu01 is still at the step; what runs there goes on.")
    assert swap.said(Kind.PROGRESS).count("it is still at work on gpu01") == 1
    assert swap.host.lock.held, "nobody else comes in the middle of it"
    swap.host.slow = False
    assert (await swap.resumed()).outcome is Outcome.DONE


async def test_whoever_leaves_does_not_have_a_failure_taken_back(swap: Bench) -> None:
    plan = await swap.plan(*SWAP)
    wait = next(step for step in plan.steps if step.action is Action.WAIT)
    swap.host.refuses[f"{wait.model}.service"] = "ValueError: no"
    swap.host.faulty_starts = 1
    result = await steered(swap, plan, leaves_in(Phase.PLAN, wait.n))
    assert result.outcome is Outcome.LEFT
    assert not swap.said(Kind.ROLLING_BACK)
    assert (await swap.resumed()).outcome is Outcome.DONE


async def test_all_may_be_wanted_back_while_a_failed_model_is_restored(three: Bench) -> None:
    before, plan = three.host.state, await three.plan(*MOVES)
    second = [step.model for step in plan.steps if step.action is Action.WAIT][1]
    three.host.refuses[f"{second}.service"] = "ValueError: no"
    three.host.faulty_starts = 1

    def steer(rollout: Rollout, event: Event) -> None:
        if event.kind is Kind.ROLLING_BACK:
            rollout.roll_back()

    result = await steered(three, plan, steer)
    assert (result.outcome, three.host.state) == (Outcome.ROLLED_BACK, before)


async def test_all_may_be_wanted_back_though_it_is_not_known_how_the_last_step_ended(swap: Bench) -> None:
    before, plan = swap.host.state, await swap.plan(*SWAP)
    stop = next(step for step in plan.steps if step.action is Action.STOP)
    swap.host.after_write = _kill
    with pytest.raises(Killed):
        await swap.run(*SWAP)
    swap.host.after_write = lambda _: None
    assert not swap.host.state[stop.model][0]
    with closing(swap.journal()) as journal:
        found = journal.unfinished()
        assert found
        rollout = swap.rollout(found.plan, journal)
        rollout.roll_back()
        result = await rollout.go_on_from(found.id, found.done)
    assert (result.outcome, swap.host.state) == (Outcome.ROLLED_BACK, before)


def _kill(line: str) -> None:
    raise Killed
