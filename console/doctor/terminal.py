"""What can be told of a terminal from its environment alone."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from console.ascii import wants_ascii
from console.doctor import Check, Grade

SMALLEST = 60, 20
"""Columns and rows below which the deck has no layout."""
ROOMY = 120, 30
"""From here on it shows panes rather than a line for each GPU."""

_check = partial(Check, "terminal")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a program is told of the terminal it runs in."""

    environment: Mapping[str, str]
    is_terminal: bool
    """Whether standard input and output both are one."""
    size: tuple[int, int]
    """Columns and rows."""
    encoding: str
    """Of standard output."""


def terminal_checks(around: Surroundings) -> Iterator[Check]:
    """Whether the console can be drawn here, and in which colours."""
    yield _kind(around)
    if around.is_terminal:
        yield _size(*around.size)
    yield _encoding(around.encoding, around.environment)
    yield _colours(around.environment)
    yield from _multiplexer(around.environment)


def _kind(around: Surroundings) -> Check:
    term = around.environment.get("TERM", "")
    if not around.is_terminal:
        return _check(
            "screen",
            Grade.WARN,
            "This is no terminal, so the console cannot be drawn.",
            "Use `gpudeck status`, or `gpudeck --plain` for a console in lines.",
        )
    if term in ("", "dumb"):
        said = f"TERM is {term}" if term else "TERM is not set"
        return _check(
            "screen",
            Grade.FAIL,
            f"{said}, so the cursor cannot be moved.",
            "Set TERM to what the terminal is, or use `gpudeck --plain`, a console in lines.",
        )
    return _check("screen", Grade.OK, f"TERM is {term}.")


def _size(columns: int, rows: int) -> Check:
    size = f"{columns}x{rows}"
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        least = "x".join(map(str, SMALLEST))
        return _check("size", Grade.FAIL, f"{size} characters are too few for the deck.", f"Enlarge it to {least}.")
    if columns < ROOMY[0] or rows < ROOMY[1]:
        return _check("size", Grade.OK, f"{size}: the deck shows each GPU as a line; from 120x30 on, as a pane.")
    return _check("size", Grade.OK, f"{size}: the deck shows each GPU as a pane.")


def _encoding(encoding: str, environment: Mapping[str, str]) -> Check:
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        is_utf8 = False
    if not is_utf8:
        return _check(
            "encoding",
            Grade.FAIL,
            f"Text is written as {encoding or 'something unknown'}, in which not every sign can be.",
            "Set LANG=C.UTF-8, or another locale whose name ends in UTF-8.",
        )
    if wants_ascii(environment):
        return _check(
            "encoding",
            Grade.OK,
            "TERM or the locale names a terminal without signs for bars and frames: they are drawn in ASCII.",
            "If it has them, `glyphs: unicode` in your settings takes them.",
        )
    return _check("encoding", Grade.OK, "Text is written as UTF-8.")


def _colours(environment: Mapping[str, str]) -> Check:
    if environment.get("NO_COLOR"):
        return _check("colours", Grade.OK, "NO_COLOR is set: no colour is used, and nothing is told by colour alone.")
    if environment.get("COLORTERM", "") in ("truecolor", "24bit"):
        return _check("colours", Grade.OK, "COLORTERM says that all colours can be shown.")
    far = "SSH_CONNECTION" in environment
    way_out = (
        "For more, let ssh pass it on (SendEnv COLORTERM on your side, AcceptEnv COLORTERM here), or choose a theme."
        if far
        else "For more, set COLORTERM=truecolor if the terminal can show it, or choose a theme."
    )
    return _check("colours", Grade.OK, "COLORTERM is not set, so the terminal's own 16 colours are used.", way_out)


def _multiplexer(environment: Mapping[str, str]) -> Iterator[Check]:
    if environment.get("TMUX"):
        yield _check(
            "multiplexer",
            Grade.OK,
            "tmux is between us and the terminal.",
            "All colours want `set -as terminal-features ',*:RGB'`, copying wants `set -g set-clipboard on`.",
        )
    elif environment.get("STY"):
        yield _check(
            "multiplexer",
            Grade.WARN,
            "GNU screen is between us and the terminal: it shows 256 colours at most and passes no clipboard on.",
            "tmux does both.",
        )
    elif environment.get("ZELLIJ"):
        yield _check("multiplexer", Grade.OK, "Zellij is between us and the terminal; its own keys come before ours.")
