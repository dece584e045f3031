"""Greedy repair, the exact answer and the search: what they promise of any problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.planning.rebalance.bounds import fewest_restarts
from fleet.planning.rebalance.greedy import repair
from fleet.planning.rebalance.loads import score
from fleet.planning.rebalance.problem import Assignment, Host, Item, Need, Problem, Slot, Together
from fleet.planning.rebalance.search import Progress, search
from fleet.units import GiB

ROOM = 100
KIND = "a kind"


def item(name: str, size: int, home: tuple[int, int] | None, width: int = 1, **more: object) -> Item:
    """A model of ``size`` GiB on each GPU, at home on ``width`` GPUs of (host, first GPU)."""
    sizes = (size * GiB,) * width
    slot = Slot(home[0], tuple(range(home[1], home[1] + width))) if home else None
    return Item(name, width, {KIND: Need(sizes, sizes)}, slot, **more)  # type: ignore[arg-type]


def problem(gpus: int, *items: Item, hosts: int = 1, cuts: tuple[Together, ...] = ()) -> Problem:
    return Problem(tuple(Host(f"gpu{n}", KIND, (ROOM * GiB,) * gpus) for n in range(hosts)), items, cuts)


def breaches(posed: Problem, answer: Assignment) -> Iterator[str]:
    """What an answer breaks, summed up from nothing but sizes and slots."""
    held: Counter[tuple[int, int]] = Counter()
    labels: Counter[tuple[int, str]] = Counter()
    for this, slot in zip(posed.items, answer, strict=True):
        if this.fixed and slot != this.home:
            yield f"{this.name} was fixed"
        if slot is None:
            continue
        if len(slot.gpus) != this.gpus or slot.gpus[-1] >= len(posed.hosts[slot.host].room):
            yield f"{this.name} has no such slot"
        labels.update((slot.host, label) for label in this.apart)
        for gpu, size in zip(slot.gpus, this.needs[KIND].peak, strict=True):
            held[slot.host, gpu] += size
    yield from (f"{gpu} holds too much" for gpu, size in held.items() if size > ROOM * GiB)
    yield from (f"two of {label}" for label, number in labels.items() if number > 1)


def fewest(posed: Problem) -> tuple[int, int]:
    """(unplaced, restarts) of the best of all assignments, each of which is looked at."""
    choices = []
    for number, this in enumerate(posed.items):
        slots = [slot for host in range(len(posed.hosts)) for slot in posed.slots(number, host)]
        choices.append([this.home] if this.fixed else [None, *slots])
    return min(
        (answer.count(None), len(posed.moved(answer)))
        for answer in product(*choices)
        if not any(breaches(posed, answer))
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to five models on three GPUs, some of them too full."""
    items = []
    for number in range(draw(st.integers(1, 5))):
        width = draw(st.sampled_from((1, 1, 1, 2)))
        home = draw(st.one_of(st.none(), st.integers(0, 3 - width)))
        size = draw(st.integers(5, 90))
        apart = frozenset(draw(st.sets(st.sampled_from(("port 1", "port 2")), max_size=0 if home is not None else 1)))
        items.append(item(f"m{number}", size, None if home is None else (0, home), width, apart=apart))
    return problem(3, *items)


@settings(max_examples=60)
@given(problems())
def test_greedy_repair_breaks_no_rule(posed: Problem) -> None:
    assert not list(breaches(posed, repair(posed)))


@settings(max_examples=40)
@given(problems())
def test_no_assignment_is_better_than_the_one_that_is_proved(posed: Problem) -> None:
    found = search(posed, 30.0)
    assert found.proved
    assert not list(breaches(posed, found.assignment))
    best = score(posed, found.assignment)
    assert (best.unplaced, best.restarts) == fewest(posed)


@settings(max_examples=40)
@given(problems())
def test_no_answer_that_places_all_restarts_fewer_than_the_bound(posed: Problem) -> None:
    unplaced, restarts = fewest(posed)
    assert unplaced or sum(fewest_restarts(posed)) <= restarts + 1e-9


def test_what_fits_stays_where_it_is() -> None:
    posed = problem(2, item("a", 60, (0, 0)), item("b", 40, (0, 0)), item("c", 10, (0, 1)))
    assert repair(posed) == tuple(each.home for each in posed.items)


def test_of_a_gpu_that_is_too_full_the_least_that_is_enough_moves() -> None:
    posed = problem(2, item("large", 70, (0, 0)), item("small", 40, (0, 0)))
    assert [posed.items[i].name for i in posed.moved(repair(posed))] == ["small"]


def test_a_model_that_costs_more_to_restart_stays() -> None:
    posed = problem(2, item("large", 70, (0, 0)), item("small", 40, (0, 0), restart=3.0))
    assert [posed.items[i].name for i in posed.moved(repair(posed))] == ["large"]


def test_a_model_without_a_place_gets_one_by_another_moving_aside() -> None:
    posed = problem(2, item("left", 40, (0, 0)), item("right", 40, (0, 1)), item("new", 90, None))
    answer = repair(posed)
    assert None not in answer
    assert len(posed.moved(answer)) == 1


def test_what_is_fixed_stays_and_the_other_goes() -> None:
    posed = problem(2, item("large", 70, (0, 0)), item("small", 40, (0, 0), fixed=True))
    assert [posed.items[i].name for i in posed.moved(repair(posed))] == ["large"]


def test_models_with_one_port_are_put_on_two_hosts() -> None:
    port = frozenset({"port 8000"})
    posed = problem(2, item("a", 10, (0, 0), apart=port), item("b", 10, None, apart=port), hosts=2)
    assert repair(posed)[1] == Slot(1, (0,))


def test_models_over_several_gpus_stay_inside_one_host() -> None:
    posed = problem(2, item("a", 60, (0, 1)), item("b", 60, (1, 0)), item("wide", 60, None, width=2), hosts=3)
    assert search(posed, 5.0).assignment[2] == Slot(2, (0, 1))


def test_what_was_found_not_to_get_along_is_not_put_together_again() -> None:
    items = (item("a", 10, (0, 0)), item("b", 10, None))
    cut = (Together(0, 0, frozenset({0, 1})),)
    assert repair(problem(2, *items, cuts=cut))[1] == Slot(0, (1,))
    assert search(problem(2, *items, cuts=cut), 5.0).assignment[1] == Slot(0, (1,))


def test_the_same_problem_gets_the_same_repair() -> None:
    posed = problem(4, *(item(f"m{n}", 30 + n, (0, n % 2)) for n in range(6)))
    assert repair(posed) == repair(posed)


def test_a_search_that_may_not_go_on_answers_with_the_repair() -> None:
    posed = problem(2, item("large", 70, (0, 0)), item("small", 40, (0, 0)))
    found = search(posed, 10.0, goes_on=lambda: False)
    assert found.assignment == repair(posed)
    assert not found.proved


def test_progress_is_told_of_the_repair_first_and_never_gets_worse() -> None:
    told: list[Progress] = []
    posed = problem(4, *(item(f"m{n}", 31, (0, 0)) for n in range(6)), item("new", 95, None))
    search(posed, 10.0, on_progress=told.append)
    assert told[0].score == score(posed, repair(posed))
    assert [progress.score for progress in told] == sorted((progress.score for progress in told), reverse=True)


def test_what_fits_nowhere_is_left_out_and_nothing_else() -> None:
    posed = problem(2, item("a", 51, (0, 0)), item("b", 51, (0, 1)), item("new", 70, None))
    found = search(posed, 10.0)
    assert found.assignment == (posed.items[0].home, posed.items[1].home, None)
    assert found.proved
