"""A terminal picture as text that a diff can be read in: its lines, then the styles of each as runs of letters."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import groupby
from string import ascii_letters

from rich.cells import cell_len

_CELL, _LINE = 12.2, 24.4
"""Width of a cell and height of a line in Rich's pictures, in their own units."""
_TEXT = re.compile(
    r'<text class="[^"]*-(r\d+)" x="([\d.]+)"[^>]*?clip-path="url\(#[^)]*-line-(\d+)\)"[^>]*>(.*?)</text>'
)
_RECT = re.compile(r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"')
_STYLE = re.compile(r"\.terminal-\d+-(r\d+) \{([^}]*)\}")


def snapshot(svg: str, columns: int, lines: int) -> str:
    """What a picture that Textual exported shows in that many cells: ``| text`` lines, styles, and what they mean."""
    texts = [[" "] * columns for _ in range(lines)]
    styles = [[""] * columns for _ in range(lines)]
    papers = [[""] * columns for _ in range(lines)]
    inks = {name: _ink(css) for name, css in _STYLE.findall(svg)}
    for fill, x, y, width in _RECT.findall(svg):
        line, first = round((float(y) - 1.5) / _LINE), round(float(x) / _CELL)
        if line < lines:
            for column in range(first, min(columns, first + round(float(width) / _CELL))):
                papers[line][column] = fill
    for name, x, line, escaped in _TEXT.findall(svg):
        column = round(float(x) / _CELL)
        for sign in html.unescape(escaped).replace("\xa0", " "):
            if column < columns and int(line) < lines:
                texts[int(line)][column], styles[int(line)][column] = sign, inks[name]
            for filled in range(column + 1, min(columns, column + cell_len(sign))):
                texts[int(line)][filled] = ""
            column += cell_len(sign)
    letters: dict[str, str] = {}
    runs = [" ".join(_runs(*line, letters)) for line in zip(texts, styles, papers, strict=True)]
    drawn = [f"|{''.join(cells).rstrip()}" for cells in texts]
    return "\n".join([*drawn, *runs, *(f"{letter} = {style}" for style, letter in letters.items())]) + "\n"


def _ink(css: str) -> str:
    return " ".join(part.split(":")[1].strip() for part in css.split(";") if ":" in part)


def _runs(signs: list[str], inks: list[str], papers: list[str], letters: dict[str, str]) -> Iterator[str]:
    """``3a 7b``: three cells in style a, seven in b. A blank is in the style before it, if that has its background."""
    seen: list[str] = []
    for sign, ink, paper in zip(signs, inks, papers, strict=True):
        style = f"{ink} on {paper}"
        plain = not sign.strip() and "underline" not in ink
        seen.append(seen[-1] if plain and seen and seen[-1].endswith(f" on {paper}") else style)
    for style, cells in groupby(seen):
        letter = letters.setdefault(style, ascii_letters[len(letters)])
        yield f"{len(list(cells))}{letter}"
