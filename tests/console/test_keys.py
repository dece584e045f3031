"""The table of keys is whole: no key means two things in one place, and every binding can be named."""

from __future__ import annotations

import pytest

from console.keys import KEYS, Where, bindings, keys


@pytest.mark.parametrize("where", list(Where))
def test_a_key_means_one_thing_in_one_place(where: Where) -> None:
    pressed = [single for key in keys(where) for single in key.keys.split(",")]
    assert len(pressed) == len(set(pressed))


def test_every_binding_has_an_id_of_its_own() -> None:
    ids = [key.id for key in KEYS]
    assert len(ids) == len(set(ids))


def test_no_key_that_terminal_multiplexers_take_is_bound() -> None:
    taken = {"ctrl+a", "ctrl+b"}
    for where in Where:
        assert not taken & {single for binding in bindings(where) for single in binding.key.split(",")}


def test_every_key_is_called_by_what_can_be_printed() -> None:
    assert all(shown.isprintable() and shown.strip() for key in KEYS for shown in key.all_shown)
