"""The fullest sets a GPU holds, against every set there is."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from fleet.planning.rebalance.packing import fullest_sets


def by_trying(sizes: list[int], room: int) -> set[frozenset[int]]:
    """Sets that fit and to which nothing can be added, found among all sets."""
    every = range(len(sizes))
    fitting = {
        frozenset(chosen)
        for number in range(len(sizes) + 1)
        for chosen in combinations(every, number)
        if sum(sizes[n] for n in chosen) <= room
    }
    return {each for each in fitting if not any(each < other for other in fitting)}


@given(st.lists(st.integers(0, 20), max_size=7), st.integers(0, 40))
def test_every_set_to_which_nothing_can_be_added_is_found_once(sizes: list[int], room: int) -> None:
    found = fullest_sets(sizes, room, 1000)
    assert found is not None
    assert len(found) == len(set(map(frozenset, found)))
    assert set(map(frozenset, found)) == by_trying(sizes, room)


def test_too_many_sets_are_not_counted_to_the_end() -> None:
    assert fullest_sets([1] * 60, 30, 100) is None


@given(st.lists(st.integers(0, 20), max_size=7), st.integers(0, 40), st.integers(0, 40))
def test_of_those_only_what_wastes_little_can_be_asked_for(sizes: list[int], room: int, waste: int) -> None:
    found = fullest_sets(sizes, room, 1000, waste)
    little = {each for each in by_trying(sizes, room) if room - sum(sizes[n] for n in each) <= waste}
    assert set(map(frozenset, found or ())) == little
