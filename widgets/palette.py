"""What each style of a row looks like in a theme: worked out once per theme, not once per widget.

Textual's own way, component classes, matches every rule of the stylesheet for every class of every widget; with 256
panes of nineteen styles each that was most of the time to the first paint.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

STYLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "text": ("foreground", ""),
        "strong": ("foreground", "bold"),
        "dim": ("text-muted", ""),
        "good": ("success", ""),
        "warning": ("warning", "bold"),
        "error": ("error", "bold"),
        "accent": ("accent", "bold"),
        "border": ("border-blurred", ""),
        "border-cursor": ("accent", "bold"),
        "weights": ("primary", ""),
        "kv-cache": ("secondary", ""),
        "activations": ("warning", ""),
        "context": ("text-muted", ""),
        "live": ("success", ""),
        "other": ("error", ""),
        "ghost": ("accent", "bold"),
        "free": ("border-blurred", ""),
        "production": ("warning", "bold reverse"),
        "key": ("accent", "bold"),
        "chosen": ("accent", "bold reverse"),
    }
)
"""Every style: the variable of the theme that colours it, and how it is set."""

_FAINT = ("text-muted", "border-blurred")
"""Variables without a colour of their own among the sixteen: there they are the terminal's dim."""
_MUTED = 0.6
"""How much of the foreground is left in muted text where a theme names no colour for it; as in Textual."""
_UNGREYED = ("accent", "chosen", "border-cursor", "key", "border", "free")
"""What leads the eye keeps its look where all else is grey."""

_known: dict[str, tuple[Theme, Mapping[str, Style]]] = {}


def palette(theme: Theme) -> Mapping[str, Style]:
    """The theme's look of every style; the same object as long as it is the same theme."""
    known = _known.get(theme.name)
    if known is None or known[0] is not theme:
        known = _known[theme.name] = theme, _looks(theme)
    return known[1]


def grey(theme: Theme) -> Mapping[str, Style]:
    """The same with everything grey but the cursor and frames: for what is over."""
    looks = palette(theme)
    greyed = {name: looks["dim"] + Style(bold=look.bold) for name, look in looks.items()}
    return {**greyed, "dim": looks["dim"] + Style(dim=True), **{name: looks[name] for name in _UNGREYED}}


def _looks(theme: Theme) -> Mapping[str, Style]:
    named = {**theme.to_color_system().generate(), **theme.variables}

    def look(variable: str, setting: str) -> Style:
        way = Style.parse(setting) if setting else Style()
        if theme.ansi and variable in _FAINT:
            return way + Style(color=Color.parse(named["foreground"]).rich_color, dim=True)
        return way + Style(color=_colour(named, variable).rich_color)

    return MappingProxyType({name: look(*style) for name, style in STYLES.items()})


def _colour(named: Mapping[str, str], variable: str) -> Color:
    if named[variable].startswith("auto"):  # a share of whatever contrasts
        return Color.parse(named["background"]).blend(Color.parse(named["foreground"]), _MUTED)
    return Color.parse(named[variable])
