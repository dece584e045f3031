"""What a terminal answers when it is asked: how wide glyphs are, and which protocols it speaks."""

from __future__ import annotations

import os
import re
import select
import termios
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from console.doctor import Check, Grade

GLYPHS = "█▓▒░·▚▁▄╭─┑✓≈✗✖⚠ℹ"
"""What bars, panes and verdicts are drawn with; each takes one column."""
SECONDS = 1.0
"""A terminal that has said nothing for so long says nothing."""

_QUERY = f"\r{GLYPHS}\x1b[6n\r\x1b[K\x1b[?2026$p\x1b[?u\x1b[c"
"""Draw the glyphs and ask for the cursor, wipe them, then: synchronised output, key protocol, and last who it is,
which every terminal answers."""
_CURSOR = re.compile(r"\x1b\[\d+;(\d+)R")
_SYNCHRONISED = re.compile(r"\x1b\[\?2026;(\d)\$y")
_KEYS = re.compile(r"\x1b\[\?\d+u")
_WHO = re.compile(r"\x1b\[\?[\d;]*c")

_check = partial(Check, "terminal")


@dataclass(frozen=True, slots=True)
class Answers:
    """What it said. None = nothing."""

    glyph_columns: int | None
    """Columns the glyphs took together."""
    synchronised: bool
    """Whether it can hold a frame back until it is whole (mode 2026)."""
    key_protocol: bool
    """Whether it tells all keys apart (the protocol of kitty)."""


def ask_terminal() -> Answers | None:
    """Ask the terminal that is standard input and output; None where it answers nothing at all."""
    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0, termios.TCSAFLUSH)
        os.write(1, _QUERY.encode())
        said = _until_named(time.monotonic() + SECONDS)
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)
    return read_answers(said) if said else None


def _until_named(deadline: float) -> str:
    said = ""
    while not _WHO.search(said) and len(said) < 1000:
        ready, _, _ = select.select([0], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(0, 256) if ready else b""
        if not chunk:
            break
        said += chunk.decode("ascii", "replace")
    return said


def read_answers(said: str) -> Answers:
    """What the terminal's words mean."""
    cursor, synchronised = _CURSOR.search(said), _SYNCHRONISED.search(said)
    return Answers(
        glyph_columns=int(cursor[1]) - 1 if cursor else None,
        synchronised=bool(synchronised) and synchronised is not None and synchronised[1] in "123",
        key_protocol=bool(_KEYS.search(said)),
    )


def answer_checks(answers: Answers | None) -> Iterator[Check]:
    """What follows from it for the console."""
    if answers is None or answers.glyph_columns is None:
        yield _check(
            "glyphs",
            Grade.WARN,
            f"The terminal does not say where its cursor is; see whether these are {len(GLYPHS)} even cells: {GLYPHS}",
        )
        return
    wanted = len(GLYPHS)
    if answers.glyph_columns == wanted:
        yield _check("glyphs", Grade.OK, f"Each glyph takes one column: {GLYPHS}")
    else:
        yield _check(
            "glyphs",
            Grade.FAIL,
            f"{wanted} glyphs take {answers.glyph_columns} columns, so panes will not line up: {GLYPHS}",
            "Have the terminal draw characters of ambiguous width narrow, or write glyphs: ascii into your settings.",
        )
    yield _check(
        "frames",
        Grade.OK,
        "Frames are shown whole (synchronised output)."
        if answers.synchronised
        else "The terminal does not hold frames back until they are whole: fast changes may flicker.",
    )
    yield _check(
        "keys",
        Grade.OK,
        "All keys can be told apart (key protocol of kitty)."
        if answers.key_protocol
        else "Keys come as terminals have always sent them, which is all that gpudeck needs.",
    )
