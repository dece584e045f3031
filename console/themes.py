"""The console's themes, and which of them a terminal gets that was not told.

Only the terminal's own sixteen colours are taken for granted: ssh does not pass COLORTERM on by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="gpudeck-dark",
    primary="#5b9bd5",
    secondary="#9d7cd8",
    warning="#e0af68",
    error="#f7768e",
    success="#7fb069",
    accent="#4fd6be",
    foreground="#d7dae0",
    background="#15171c",
    surface="#1b1e25",
    panel="#22262f",
    dark=True,
    variables={"border-blurred": "#4a5060", "text-muted": "#8a91a0"},
)
LIGHT = Theme(
    name="gpudeck-light",
    primary="#2f6fb3",
    secondary="#7a4fb5",
    warning="#8a5300",
    error="#b3203f",
    success="#2f6b1f",
    accent="#00695c",
    foreground="#23262d",
    background="#fbfbf8",
    surface="#f1f1ec",
    panel="#e6e6df",
    dark=False,
    variables={"border-blurred": "#a7abb3", "text-muted": "#5c626e"},
)
HIGH_CONTRAST = Theme(
    name="gpudeck-high-contrast",
    primary="#7cc4ff",
    secondary="#e0b0ff",
    warning="#ffd800",
    error="#ff8a8a",
    success="#5dff8f",
    accent="#00ffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    dark=True,
    variables={"border-blurred": "#b0b0b0", "text-muted": "#d0d0d0"},
)
COLOUR_BLIND = Theme(
    name="gpudeck-colour-blind",
    primary="#2f8fd0",
    secondary="#d89060",
    warning="#f0e442",
    error="#e8703a",
    success="#56b4e9",
    accent="#ffffff",
    foreground="#d7dae0",
    background="#15171c",
    surface="#1b1e25",
    panel="#22262f",
    dark=True,
    variables={"border-blurred": "#4a5060", "text-muted": "#8a91a0"},
)
"""After the palette of Okabe and Ito (Color Universal Design, 2008): blue is good, yellow warns, vermilion fails."""
_CURSOR = {
    "input-cursor-background": "ansi_default",
    "input-cursor-foreground": "ansi_default",
    "input-cursor-text-style": "reverse",
}
"""A cursor in a line that is there without colour too."""
_ANSI_DARK, _ANSI_LIGHT = BUILTIN_THEMES["ansi-dark"], BUILTIN_THEMES["ansi-light"]
SIXTEEN = replace(
    _ANSI_DARK,
    name="gpudeck-16-colour",
    primary="ansi_bright_blue",
    secondary="ansi_bright_magenta",
    warning="ansi_bright_yellow",
    error="ansi_bright_red",
    success="ansi_bright_green",
    accent="ansi_bright_cyan",
    variables={**_ANSI_DARK.variables, **_CURSOR},
)
SIXTEEN_LIGHT = replace(
    _ANSI_LIGHT,
    name="gpudeck-16-colour-light",
    secondary="ansi_magenta",
    accent="ansi_blue",
    variables={**_ANSI_LIGHT.variables, **_CURSOR},
)

THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "dark": DARK,
        "light": LIGHT,
        "high-contrast": HIGH_CONTRAST,
        "colour-blind": COLOUR_BLIND,
        "16-colour": SIXTEEN,
        "16-colour-light": SIXTEEN_LIGHT,
    }
)
"""Every theme by the name operators know it by."""


def theme_for(environment: Mapping[str, str], chosen: str = "auto") -> Theme:
    """The theme that was chosen; with ``auto`` the dark or light one of as many colours as the terminal says it has.

    Where no colour is wanted, one of sixteen colours is used whatever was chosen: taken away, they leave bold and dim.
    """
    if chosen != "auto" and not environment.get("NO_COLOR"):
        return THEMES[chosen]
    if environment.get("NO_COLOR") or environment.get("COLORTERM", "") not in ("truecolor", "24bit"):
        return SIXTEEN_LIGHT if _is_light(environment) else SIXTEEN
    return LIGHT if _is_light(environment) else DARK


def _is_light(environment: Mapping[str, str]) -> bool:
    """Whether the terminal says that its background is white: COLORFGBG is ``foreground;background``."""
    return environment.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
