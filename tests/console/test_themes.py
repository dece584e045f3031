"""Themes: legible by WCAG's contrast, told apart without full colour vision, chosen by what a terminal says."""

from __future__ import annotations

from itertools import combinations
from math import dist

import pytest
from textual.color import Color

from console.themes import COLOUR_BLIND, DARK, HIGH_CONTRAST, LIGHT, SIXTEEN, SIXTEEN_LIGHT, THEMES, theme_for
from widgets.palette import STYLES, palette

WORDS = {"text", "strong", "dim", "good", "warning", "error", "accent", "key", "ghost"}
BARS = {"weights", "kv-cache", "activations", "context", "live", "other"}

DEFICIENCIES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
"""How linear red, green and blue are seen: Machado, Oliveira and Fernandes (2009), severity 1.0."""


def linear(colour: Color) -> tuple[float, ...]:
    return tuple(
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour.rgb)
    )


def luminance(colour: Color) -> float:
    return sum(part * weight for part, weight in zip(linear(colour), (0.2126, 0.7152, 0.0722), strict=True))


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: tuple[float, ...]) -> tuple[float, float, float]:
    """Linear sRGB in CIE L*a*b*, white being D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (sum(part * weight for part, weight in zip(rgb, row, strict=True)) for row in rows)

    def root(part: float) -> float:
        return part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116

    fx, fy, fz = root(x / 0.9505), root(y), root(z / 1.089)
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def colour_of(theme_name: str, style: str) -> Color:
    found = palette(THEMES[theme_name])[style].color
    assert found is not None
    return Color.from_rich_color(found)


@pytest.mark.parametrize("theme", ["dark", "light", "high-contrast", "colour-blind"])
def test_words_and_bars_are_legible(theme: str) -> None:
    background = Color.parse(THEMES[theme].background or "")
    least = 7 if theme == "high-contrast" else 4.5
    assert dict.fromkeys(WORDS, True) == {
        style: contrast(colour_of(theme, style), background) >= least for style in WORDS
    }
    assert all(contrast(colour_of(theme, style), background) >= 3 for style in BARS)


@pytest.mark.parametrize("deficiency", list(DEFICIENCIES))
@pytest.mark.parametrize(
    "styles", [("good", "warning", "error"), ("live", "other"), ("weights", "kv-cache", "activations", "context")]
)
def test_the_colour_blind_theme_tells_its_colours_apart_in_every_deficiency(
    deficiency: str, styles: tuple[str, ...]
) -> None:
    seen = {}
    for style in styles:
        rgb = linear(colour_of("colour-blind", style))
        seen[style] = lab(
            tuple(
                min(1, max(0, sum(part * weight for part, weight in zip(rgb, row, strict=True))))
                for row in DEFICIENCIES[deficiency]
            )
        )
    assert dict.fromkeys(combinations(styles, 2), True) == {
        (one, other): dist(seen[one], seen[other]) >= 15 for one, other in combinations(styles, 2)
    }


@pytest.mark.parametrize("theme", list(THEMES))
def test_every_theme_has_a_colour_for_every_style(theme: str) -> None:
    assert set(palette(THEMES[theme])) == set(STYLES)


def test_only_a_terminal_that_says_so_gets_more_than_sixteen_colours() -> None:
    assert theme_for({}) is SIXTEEN
    assert theme_for({"COLORTERM": "truecolor"}) is DARK
    assert theme_for({"COLORTERM": "24bit", "COLORFGBG": "0;15"}) is LIGHT
    assert theme_for({"COLORFGBG": "0;15"}) is SIXTEEN_LIGHT
    assert theme_for({"COLORFGBG": "15;0"}) is SIXTEEN


def test_a_chosen_theme_is_taken_unless_no_colour_is_wanted() -> None:
    assert theme_for({}, "high-contrast") is HIGH_CONTRAST
    assert theme_for({"COLORTERM": "truecolor"}, "colour-blind") is COLOUR_BLIND
    assert theme_for({"COLORTERM": "truecolor", "NO_COLOR": "1"}, "colour-blind") is SIXTEEN
    assert theme_for({"COLORTERM": "truecolor", "NO_COLOR": ""}) is DARK
