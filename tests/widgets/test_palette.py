"""Styles of rows come from the theme, once."""

from __future__ import annotations

import pytest
from rich.color import ColorType
from textual.theme import BUILTIN_THEMES

from widgets.palette import STYLES, palette


def test_a_theme_is_worked_out_once() -> None:
    theme = BUILTIN_THEMES["nord"]
    assert palette(theme) is palette(theme)


@pytest.mark.parametrize("name", list(BUILTIN_THEMES))
def test_every_theme_colours_every_style(name: str) -> None:
    looks = palette(BUILTIN_THEMES[name])
    assert set(looks) == set(STYLES)
    assert all(look.color is not None for look in looks.values())


@pytest.mark.parametrize("name", ["ansi-dark", "ansi-light"])
def test_a_theme_of_sixteen_colours_never_sends_another(name: str) -> None:
    looks = palette(BUILTIN_THEMES[name]).values()
    assert {look.color.type for look in looks if look.color} <= {ColorType.STANDARD, ColorType.DEFAULT}
