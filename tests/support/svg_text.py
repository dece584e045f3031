"""The text of a terminal picture."""

from __future__ import annotations

import html
import re

_TEXT = re.compile(r'<text [^>]*?x="([\d.]+)"[^>]*?clip-path="url\(#[^)]*-line-(\d+)\)"[^>]*>(.*?)</text>')
_CELL = 12.2
"""Width of a cell in Rich's pictures, in their own units."""


def svg_text(svg: str) -> str:
    """The lines of an SVG that Textual exported, every run of text in its place."""
    lines: dict[int, str] = {}
    for x, line, text in _TEXT.findall(svg):
        before = lines.get(int(line), "")
        lines[int(line)] = before.ljust(round(float(x) / _CELL)) + html.unescape(text).replace("\xa0", " ")
    return "\n".join(lines.get(number, "").rstrip() for number in range(max(lines, default=-1) + 1))


def said(text: str) -> str:
    """The last lines of a screen as one, since what it says may take more lines than one."""
    return " ".join(" ".join(text.splitlines()[-4:]).split())
