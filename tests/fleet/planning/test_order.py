"""Orders of stops and starts, replayed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from fleet.model import GpuId
from fleet.planning.ordering import components, order
from fleet.planning.ordering.tasks import Sizes, Spot, Task, Turn, Verb

TOTAL = 100
GPUS = [GpuId("gpu01", index) for index in range(3)]
A, B, C = GPUS


def task(name: str, held: Sizes, rests: Sizes, extra: int = 0, weight: float = 1, seconds: float = 50) -> Task:
    needs = {gpu: size + extra for gpu, size in rests.items()}
    now, goal = Spot.holding(held) if held else None, Spot(needs, rests) if rests else None
    return Task(name, now, goal, weight=weight, stop_seconds=10, load_seconds=seconds)


def free_beside(tasks: Sequence[Task]) -> dict[GpuId, int]:
    return {gpu: TOTAL - sum(task.now.rests.get(gpu, 0) for task in tasks if task.now) for gpu in GPUS}


def said(turns: Sequence[Turn]) -> list[str]:
    return [f"{turn.verb} {turn.task.model}" for turn in turns]


def test_a_model_is_restarted_without_stopping_any_other() -> None:
    tasks = [task("a", {A: 60}, {A: 60}), task("b", {B: 60}, {B: 70})]
    assert said(order(tasks, [], free_beside(tasks))) == ["stop a", "start a", "stop b", "start b"]


def test_what_only_stops_makes_room_first() -> None:
    tasks = [task("new", {}, {A: 80}), task("old", {A: 80}, {})]
    assert said(order(tasks, [], free_beside(tasks))) == ["stop old", "start new"]


def test_a_chain_of_moves_begins_at_its_free_end() -> None:
    tasks = [task("a", {A: 80}, {B: 80}), task("b", {B: 80}, {C: 80})]
    assert said(order(tasks, [], free_beside(tasks))) == ["stop b", "start b", "stop a", "start a"]


def test_a_swap_stops_the_less_important_model_first() -> None:
    tasks = [task("a", {A: 80}, {B: 80}, weight=2), task("b", {B: 80}, {A: 80}, weight=1)]
    assert said(order(tasks, [], free_beside(tasks))) == ["stop b", "stop a", "start a", "start b"]


def test_of_two_on_one_gpu_the_one_whose_start_takes_more_than_it_keeps_comes_first() -> None:
    tasks = [task("modest", {}, {A: 40}), task("greedy", {}, {A: 40}, extra=30)]
    turns = order(tasks, [], free_beside(tasks))
    assert said(turns) == ["start greedy", "start modest"]
    assert all(turn.fits for turn in turns)


def test_a_bystander_is_stopped_only_where_nothing_else_helps() -> None:
    bystander = task("bystander", {A: 40}, {A: 40})
    tasks = [task("greedy", {}, {A: 40}, extra=30)]
    free = free_beside([bystander])
    assert said(order(tasks, [bystander], free)) == ["stop bystander", "start greedy", "start bystander"]
    assert said(order([task("modest", {}, {A: 40})], [bystander], free)) == ["start modest"]


def test_a_start_that_can_never_fit_is_planned_and_says_so() -> None:
    tasks = [task("big", {}, {A: 120})]
    turns = order(tasks, [task("bystander", {A: 40}, {A: 40})], dict.fromkeys(GPUS, 60))
    assert said(turns) == ["start big"]
    assert not turns[0].fits


def test_parts_that_share_no_gpu_are_ordered_apart() -> None:
    apart = [task("a", {A: 1}, {B: 1}), task("c", {C: 1}, {C: 1}), task("b", {B: 1}, {B: 1})]
    assert [[each.model for each in part] for part in components(apart, lambda each: each.gpus)] == [["c"], ["a", "b"]]


sizes = st.dictionaries(st.sampled_from(GPUS), st.integers(1, 60), max_size=2)


@st.composite
def fleets(draw: st.DrawFn) -> list[Task]:
    """Tasks whose models all fit on their GPUs now."""
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, 5))):
        room = free_beside(tasks)
        held = {gpu: size for gpu, size in draw(sizes).items() if size <= room[gpu]}
        tasks.append(task(f"m{number}", held, draw(sizes), draw(st.integers(0, 30)), draw(st.integers(1, 3))))
    return tasks


@given(fleets())
def test_every_model_stops_once_and_starts_once_and_in_that_order(tasks: list[Task]) -> None:
    turns = order(tasks, [], free_beside(tasks))
    for each in tasks:
        verbs = [turn.verb for turn in turns if turn.task is each]
        assert verbs == [Verb.STOP] * bool(each.now) + [Verb.START] * bool(each.goal)


@given(fleets())
def test_replayed_no_gpu_ever_holds_more_than_it_has_where_the_end_fits(tasks: list[Task]) -> None:
    free = free_beside(tasks)
    goals = [each.goal for each in tasks if each.goal]
    end_fits = all(sum(goal.rests.get(gpu, 0) for goal in goals) <= TOTAL for gpu in GPUS)
    for turn in order(tasks, [], free):
        starting = turn.verb is Verb.START
        enough = all(free[gpu] >= size for gpu, size in turn.spot.needs.items())
        assert turn.fits == (enough or not starting)
        for gpu, size in turn.spot.rests.items():
            free[gpu] += -size if starting else size
        assert not end_fits or min(free.values()) >= 0


@given(fleets())
def test_an_order_is_found_wherever_stopping_everything_first_would_give_one(tasks: list[Task]) -> None:
    single = [each for each in tasks if not each.goal or len(each.goal.needs) <= 1]
    found = order(single, [], free_beside(single))
    assert all(turn.fits for turn in found) or not _some_order_fits(single)


def _some_order_fits(tasks: Sequence[Task]) -> bool:
    return any(_fit(goals) for goals in permutations(each.goal for each in tasks if each.goal))


def _fit(goals: Sequence[Spot]) -> bool:
    free = dict.fromkeys(GPUS, TOTAL)
    for goal in goals:
        if not goal.fits(free):
            return False
        for gpu, size in goal.rests.items():
            free[gpu] -= size
    return True
