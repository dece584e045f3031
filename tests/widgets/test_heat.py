"""A cell of a heat map says the eighth, and what is wrong, by its glyph alone."""

from __future__ import annotations

import pytest

from widgets.heat import QUANTITIES, UNREAD, WRONG, Heat, Quantity
from widgets.links import LINK_SIGNS
from widgets.sparkline import LEVELS

BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}


@pytest.mark.parametrize(("share", "sign"), [(0.0, "▁"), (0.124, "▁"), (0.126, "▂"), (0.5, "▅"), (0.97, "█")])
def test_a_share_is_drawn_in_eighths(share: float, sign: str) -> None:
    assert BY_NAME["memory used"].glyph(Heat(share, "")) == sign


def test_what_is_wrong_and_what_was_not_read_have_signs_of_their_own() -> None:
    for quantity in QUANTITIES:
        wrong = -0.01 if quantity.least_is_worst else 1.2
        assert quantity.glyph(Heat(wrong, "")) == WRONG
        assert quantity.glyph(None) == UNREAD
    assert not {WRONG, UNREAD} & {*LEVELS, *LINK_SIGNS.values()}


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_the_worse_the_worse(quantity: Quantity) -> None:
    shares = [0.0, 0.3, 0.6, 1.1]
    order = sorted(shares, key=lambda share: quantity.badness(Heat(share, "")))
    assert order == (shares[::-1] if quantity.least_is_worst else shares)
    assert quantity.badness(None) < quantity.badness(Heat(0.5, ""))
