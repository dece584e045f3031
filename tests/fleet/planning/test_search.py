"""The cheapest order, against every order there is."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model import GpuId
from fleet.planning.ordering import order
from fleet.planning.ordering.search import LOAD_COST, cost, search
from fleet.planning.ordering.tasks import Sizes, Spot, Task, Turn, Verb, downtime

TOTAL = 100
GPUS = [GpuId("gpu01", index) for index in range(3)]
A, B, C = GPUS


def on(gpu: GpuId, size: int) -> Spot:
    return Spot.holding({gpu: size})


def task(
    name: str,
    now: Spot | None,
    goal: Spot | None,
    *temporary: Spot,
    second_copy: bool = False,
    spare: bool = False,
    seconds: float = 50,
    weight: float = 1,
    relieves: bool = False,
) -> Task:
    return Task(name, now, goal, temporary, second_copy, spare, weight, 10, seconds, relieves)


def free_beside(tasks: Sequence[Task]) -> dict[GpuId, int]:
    return {gpu: TOTAL - sum(task.now.rests.get(gpu, 0) for task in tasks if task.now) for gpu in GPUS}


def said(turns: Sequence[Turn]) -> list[str]:
    return [f"{turn.verb} {turn.task.model} {','.join(str(gpu.index) for gpu in turn.spot.gpus)}" for turn in turns]


def test_a_model_that_may_run_twice_is_started_before_it_is_stopped() -> None:
    tasks = [task("a", on(A, 60), on(B, 60), second_copy=True)]
    turns = order(tasks, [], free_beside(tasks))
    assert said(turns) == ["start a 1", "stop a 0"]
    assert downtime(turns) == {}


def test_a_second_copy_beside_the_first_on_one_gpu_needs_room_for_both() -> None:
    small, large = (task("a", on(A, size), on(A, size + 5), second_copy=True) for size in (45, 50))
    assert said(order([small], [], free_beside([small]))) == ["start a 0", "stop a 0"]
    assert said(order([large], [], free_beside([large]))) == ["stop a 0", "start a 0"]


def test_a_model_that_grows_where_it_is_serves_from_a_spare_gpu_meanwhile() -> None:
    tasks = [task("a", on(A, 60), on(A, 80), on(B, 60), second_copy=True)]
    turns = order(tasks, [], free_beside(tasks))
    assert said(turns) == ["start a 1", "stop a 0", "start a 0", "stop a 1"]
    assert downtime(turns) == {}


def test_a_spare_unit_serves_a_model_that_grows_where_it_is() -> None:
    tasks = [task("a", on(A, 60), on(A, 80), on(B, 60), spare=True)]
    turns = order(tasks, [], free_beside(tasks))
    assert said(turns) == ["start a 1", "stop a 0", "start a 0", "stop a 1"]
    assert [turn.by_spare for turn in turns] == [True, False, False, True]
    assert downtime(turns) == {}


def test_the_one_spare_unit_is_in_one_place_at_a_time() -> None:
    full = task("in the way", on(B, 60), None)
    tasks = [task("a", on(A, 60), on(B, 60), on(C, 60), spare=True), full]
    turns = order(tasks, [], free_beside(tasks))
    assert said(turns) == ["stop in the way 1", "start a 2", "stop a 0", "start a 1", "stop a 2"]
    assert downtime(turns) == {}


def test_a_spare_unit_with_no_room_leaves_a_model_to_be_restarted() -> None:
    tasks = [task("a", on(A, 60), on(A, 80), on(B, 60), spare=True), task("b", on(B, 50), on(B, 50))]
    turns = order(tasks[:1], [], free_beside(tasks))
    assert said(turns) == ["stop a 0", "start a 0"]


def test_a_swap_goes_round_a_spare_gpu() -> None:
    tasks = [
        task("a", on(A, 80), on(B, 80), on(C, 80), second_copy=True),
        task("b", on(B, 80), on(A, 80), on(C, 80), second_copy=True),
    ]
    turns = order(tasks, [], free_beside(tasks))
    assert downtime(turns) == {}
    assert sum(turn.verb is Verb.START for turn in turns) == 3


def test_a_model_that_may_not_run_twice_moves_aside_for_a_more_important_one() -> None:
    vital = task("vital", on(A, 80), on(B, 80), seconds=300, weight=10)
    other = task("other", on(B, 80), on(A, 80), on(C, 80), seconds=40)
    turns = order([vital, other], [], free_beside([vital, other]))
    assert downtime(turns) == {"vital": 310, "other": 100}
    assert said(turns)[:3] == ["stop other 1", "start other 2", "stop vital 0"]


def test_it_is_not_moved_aside_where_that_would_take_longer_than_waiting() -> None:
    tasks = [task("a", on(A, 80), on(B, 80), on(C, 80)), task("b", on(B, 80), on(A, 80), on(C, 80))]
    turns = order(tasks, [], free_beside(tasks))
    assert sum(turn.verb is Verb.START for turn in turns) == 2


def test_a_place_another_model_leaves_may_serve_in_between() -> None:
    grows = task("grows", on(A, 60), on(A, 80), on(B, 60), second_copy=True)
    leaves = task("leaves", on(B, 60), on(C, 60), second_copy=True)
    turns = order([grows, leaves], [], free_beside([grows, leaves]))
    assert downtime(turns) == {}


def test_the_same_question_has_the_same_answer() -> None:
    tasks = [task(name, on(gpu, 80), on(there, 80), on(C, 80)) for name, gpu, there in (("a", A, B), ("b", B, A))]
    assert said(order(tasks, [], free_beside(tasks))) == said(order(tasks, [], free_beside(tasks)))


def test_a_search_that_may_meet_no_state_finds_nothing() -> None:
    tasks = [task("a", on(A, 60), on(B, 60))]
    assert search(tasks, [], free_beside(tasks), states=0) is None


@st.composite
def spots(draw: st.DrawFn, room: Sizes) -> Spot:
    """Somewhere with enough room, as it seems from the sizes alone."""
    gpus = draw(st.lists(st.sampled_from(GPUS), min_size=1, max_size=2, unique=True))
    size = min(draw(st.integers(20, 80)), *(room[gpu] for gpu in gpus))
    extra = draw(st.sampled_from([0, 0, 10]))
    return Spot({gpu: min(size + extra, TOTAL) for gpu in gpus}, dict.fromkeys(gpus, size))


@st.composite
def drafts(draw: st.DrawFn) -> list[Task]:
    """Models that all fit now, and would all fit in the end."""
    tasks: list[Task] = []
    end = dict.fromkeys(GPUS, TOTAL)
    for number in range(draw(st.integers(1, 3))):
        now = draw(st.none() | spots(free_beside(tasks)))
        goal = draw(st.none() | spots(end))
        temporary = draw(st.lists(spots(dict.fromkeys(GPUS, 60)), max_size=1)) if now and goal else []
        if now:
            now = Spot.holding({gpu: size for gpu, size in now.rests.items() if size})
        for gpu, size in (goal.rests if goal else {}).items():
            end[gpu] -= size
        tasks.append(
            task(
                f"m{number}",
                now,
                goal,
                *temporary,
                second_copy=draw(st.booleans()),
                spare=draw(st.booleans()),
                seconds=draw(st.sampled_from([30, 50, 200])),
                weight=draw(st.sampled_from([1, 10])),
                relieves=now is None and draw(st.booleans()),
            )
        )
    return tasks


@given(drafts())
def test_nothing_costs_less_than_what_is_found(tasks: list[Task]) -> None:
    free = free_beside(tasks)
    found = search(tasks, [], free, states=1_000_000)
    least = cheapest(tasks, free)
    assert (found is None) == (least is None)
    if found is not None and least is not None:
        assert cost(found) == pytest.approx(least)


@given(drafts())
def test_nothing_is_down_where_an_order_without_downtime_exists(tasks: list[Task]) -> None:
    free = free_beside(tasks)
    turns = order(tasks, [], free)
    least = cheapest(tasks, free, load_cost=0)
    assert all(turn.fits for turn in turns) or least is None
    if least == 0:
        assert downtime(turns) == {}


def _aside(task: Task, *places: Spot) -> int:
    return sum(any(place is spot for spot in task.temporary) for place in places)


@given(drafts())
def test_replayed_copy_by_copy_every_state_fits_and_every_model_ends_where_it_shall(tasks: list[Task]) -> None:
    free = free_beside(tasks)
    copies = {task.model: [task.now] if task.now else [] for task in tasks}
    turns = order(tasks, [], free)
    for turn in turns:
        mine = copies[turn.task.model]
        sign = 1 if turn.verb is Verb.STOP else -1
        if turn.verb is Verb.STOP:
            mine.remove(turn.spot)
        else:
            assert not turn.fits or all(free[gpu] >= size for gpu, size in turn.spot.needs.items())
            assert turn.task.second_copy or not mine or (turn.task.spare and _aside(turn.task, turn.spot, *mine) == 1)
            mine.append(turn.spot)
        for gpu, size in turn.spot.rests.items():
            free[gpu] += sign * size
        assert min(free.values()) >= 0 or not all(turn.fits for turn in turns)
    assert copies == {task.model: [task.goal] if task.goal else [] for task in tasks}


# The oracle: every set of copies, every single start and stop, by Dijkstra's algorithm. The rules it shares with the
# search: while a model runs twice, nothing else is done; and a model that is where it shall be stays.

Copies = tuple[frozenset[int], ...]


def may_run_twice(task: Task, at: int, *copies: int) -> bool:
    """In a second place beside the one it has; a spare unit serves only in temporary ones, and nobody else does."""
    aside = sum(place > 1 for place in (at, *copies))
    return len(copies) == 1 and (task.second_copy or (task.spare and aside == 1))


def cheapest(tasks: Sequence[Task], free: Sizes, load_cost: float = LOAD_COST) -> float | None:
    """The least any order costs; None where no order exists."""
    places = [(task.now, task.goal, *task.temporary) for task in tasks]
    start: Copies = tuple(frozenset({0} if task.now else ()) for task in tasks)
    end: Copies = tuple(frozenset({1} if task.goal else ()) for task in tasks)
    empty = {gpu: free[gpu] + sum(task.now.rests.get(gpu, 0) for task in tasks if task.now) for gpu in free}

    def left(state: Copies) -> dict[GpuId, int]:
        held = [places[k][at] for k, copies in enumerate(state) for at in copies]
        return {gpu: size - sum(spot.rests.get(gpu, 0) for spot in held if spot) for gpu, size in empty.items()}

    def down(state: Copies) -> float:
        return sum(t.weight for t, copies in zip(tasks, state, strict=True) if t.now and t.goal and not copies)

    def steps(state: Copies) -> Iterator[tuple[float, Copies]]:
        room = left(state)
        twice = [k for k, copies in enumerate(state) if len(copies) > 1]
        for k, copies in enumerate(state):
            if (twice and k not in twice) or copies == {1}:
                continue
            for at in copies:
                then = (*state[:k], copies - {at}, *state[k + 1 :])
                yield tasks[k].stop_seconds * down(then), then
            for at, spot in enumerate(places[k]):
                allowed = at > 0 and at not in copies and (not copies or may_run_twice(tasks[k], at, *copies))
                if spot and allowed and spot.fits(room):
                    then = (*state[:k], copies | {at}, *state[k + 1 :])
                    yield tasks[k].load_seconds * (down(state) + load_cost), then

    tie = count()
    queue = [(0.0, next(tie), start)]
    settled: set[Copies] = set()
    while queue:
        spent, _, state = heapq.heappop(queue)
        if state == end:
            return spent
        if state not in settled:
            settled.add(state)
            for more, then in steps(state):
                heapq.heappush(queue, (spent + more, next(tie), then))
    return None
