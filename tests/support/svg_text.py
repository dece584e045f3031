"""The text of a terminal picture."""

from __future__ import annotations

import html
import re

_TEXT = re.compile(r'<text [^>]*?x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"[^>]*>(.*?)</text>')
_CELL, _ROW, _BASELINE = 12.2, 24.4, 20.0
"""Width of a cell, height of a row and where text stands in the first one, in the units of Rich's pictures."""


def svg_text(svg: str) -> str:
    """The lines of an SVG that Textual exported, or of a still of it, every run of text in its place."""
    lines: dict[int, str] = {}
    for x, y, text in _TEXT.findall(svg):
        line = round((float(y) - _BASELINE) / _ROW)
        before = lines.get(line, "")
        lines[line] = before.ljust(round(float(x) / _CELL)) + html.unescape(text).replace("\xa0", " ")
    return "\n".join(lines.get(number, "").rstrip() for number in range(max(lines, default=-1) + 1))


def said(text: str) -> str:
    """The last lines of a screen as one, since what it says may take more lines than one."""
    return " ".join(" ".join(text.splitlines()[-4:]).split())
