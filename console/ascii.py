"""Everything on the screen in ASCII, for terminals and fonts that have nothing else: a filter over what is drawn.

Each sign becomes another of as many cells, and signs that stand for different things stay different, so that nothing
moves and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from unicodedata import combining, normalize

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_MEMORY = {"█": "#", "▓": "=", "▒": "%", "░": ":", "▚": "@", "·": "."}
_LEVELS = {sign: str(level) for level, sign in enumerate("▁▂▃▄▅▆▇", start=1)}
_FRAMES = {
    **dict.fromkeys("╭╮╰╯┌┐└┘┍┑┕┙├┤┬┴┼", "+"),
    **dict.fromkeys("─╌▔", "-"),
    **dict.fromkeys("━═", "="),
    **dict.fromkeys("│┃▏▎▍▌▋▊▉▕▐║", "|"),
}
_SIGNS = {
    "▶": ">",
    "▸": ">",
    "◂": "<",
    "◆": "$",
    "◇": "&",
    "✓": "v",
    "≈": "~",
    "≠": "!",
    "✗": "x",
    "⛔": "xx",
    "✖": "E",
    "⚠": "W",
    "ℹ": "i",
    "●": "*",
    "◐": "o",
    "○": ".",
    "✎": "N",
    "↑": "^",
    "↓": "v",
    "←": "<",
    "→": ">",
    "…": "~",
    "–": "-",
    "—": "-",
    "°": " ",
    "×": "x",
    "µ": "u",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "\xa0": " ",
}
SIGNS = {**_FRAMES, **_MEMORY, **_LEVELS, **_SIGNS}
"""Every sign of the screens, and what stands for it."""

_TABLE = str.maketrans(SIGNS)
_OLD_TERMINALS = ("linux", "vt100", "vt102", "vt220")
"""Values of TERM whose fonts do not have the signs: consoles without a desktop, and what emulates old ones."""


def wants_ascii(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is known to have nothing but ASCII: by its kind, or by a locale of another encoding."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    encoding = locale.partition(".")[2].partition("@")[0].lower().replace("-", "")
    return environment.get("TERM", "") in _OLD_TERMINALS or encoding not in ("", "utf8")


@lru_cache(maxsize=4096)
def ascii_text(text: str) -> str:
    """The text in ASCII and as many cells; of letters that have no ASCII, their base, or question marks."""
    if text.isascii():
        return text
    return "".join(sign if sign.isascii() else _nearest(sign) for sign in text.translate(_TABLE))


def _nearest(sign: str) -> str:
    cells = cell_len(sign)
    base = "".join(part for part in normalize("NFKD", sign) if not combining(part))
    return base if base.isascii() and len(base) == cells else "?" * cells


class Ascii(LineFilter):
    """Draws every line in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments in the same cells."""
        return [Segment(ascii_text(text), style, control) for text, style, control in segments]
