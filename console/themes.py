"""The console's colours: one theme of our own for 24-bit terminals, Textual's 16-colour one for the rest."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

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


def default_theme(environment: Mapping[str, str]) -> str:
    """Our theme where the terminal says truecolor; ``ansi-dark`` where it does not, or wants no colour.

    ssh does not pass COLORTERM on by default, so most remote sessions get the 16 colours of their own palette.
    """
    if environment.get("NO_COLOR"):
        return "ansi-dark"
    return DARK.name if environment.get("COLORTERM", "") in ("truecolor", "24bit") else "ansi-dark"
