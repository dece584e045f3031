"""Memory bars say with glyphs what they say with colour, and always have the length they should."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from widgets.bar import GLYPHS, Part, bar

KINDS = ("weights", "kv-cache", "activations", "context", "ghost")


def drawn(parts: list[Part], total: int, cells: int) -> str:
    return "".join(span.text for span in bar(parts, total, cells))


def test_each_part_takes_its_share_in_its_own_glyph() -> None:
    parts = [Part("weights", 25), Part("kv-cache", 50)]
    assert drawn(parts, 100, 8) == "██▓▓▓▓··"


def test_an_empty_part_takes_nothing() -> None:
    assert drawn([Part("weights", 0)], 100, 4) == "····"


def test_a_small_part_still_shows() -> None:
    assert drawn([Part("weights", 50), Part("other", 1)], 100, 10) == "█████▚····"


def test_what_lies_beyond_the_gpu_is_drawn_as_over_and_the_rest_scaled_to_it() -> None:
    assert drawn([Part("weights", 100), Part("ghost", 100)], 150, 8) == "████++!!"


def test_a_gpu_without_a_size_is_all_over() -> None:
    assert drawn([Part("weights", 1)], 0, 3) == "!!!"


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2**40)), max_size=6),
    st.integers(1, 2**38),
    st.integers(1, 200),
)
def test_a_bar_is_exactly_as_long_as_asked(raw: list[tuple[str, int]], total: int, cells: int) -> None:
    text = drawn([Part(kind, size) for kind, size in raw], total, cells)
    assert len(text) == cells
    assert set(text) <= set(GLYPHS.values())
