"""Pictures of a screen as SVG: one by itself, or one after the other in a file that plays itself.

A row that stays the same is in the file once, however many pictures it is in. No script, no font and no picture is
fetched; where people want less motion, the first picture stands still.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = re.compile(r"\.(terminal-\d+-r\d+) \{ (.*?) \}")
_TEXT = re.compile(
    r'<text class="([^"]*)" x="([^"]*)" y="([^"]*)" textLength="([^"]*)" '
    r'clip-path="url\(#[^)]*-line-(\d+)\)">(.*?)</text>'
)
_GROUND = re.compile(r'<rect fill="([^"]*)" x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"')
_CELL, _ROW = 12.2, 24.4
_FIRST = 1.5
"""Width of a cell, height of a row, and where the first row begins, in the units of Rich's pictures."""
_MARGIN = 16
_INK, _DIM, _PAPER, _BAR = "#d7dae0", "#8a91a0", "#15171c", "#22262f"


@dataclass(frozen=True, slots=True)
class Picture:
    """One of them."""

    svg: str
    """As Textual exports a screen."""
    seconds: float
    pressed: str
    """The keys that led to it."""
    caption: str


def animated(pictures: Sequence[Picture], columns: int, rows: int) -> str:
    """The pictures in a loop, each row as often as it differs, captions below."""
    palette: dict[str, str] = {}
    seen: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        lines = _rows(picture.svg, palette)
        lines[rows] = _caption(picture, rows, columns * _CELL)
        for row, content in lines.items():
            seen[row, content].append(number)
    always = tuple(range(len(pictures)))
    timelines = dict.fromkeys(tuple(numbers) for numbers in seen.values() if tuple(numbers) != always)
    names = {numbers: f"t{index}" for index, numbers in enumerate(timelines)}
    body = [
        f"<g{_timing(tuple(numbers), names)}>{content}</g>"
        for (_, content), numbers in sorted(seen.items(), key=lambda item: (item[0][0], item[1]))
    ]
    total = sum(picture.seconds for picture in pictures)
    styles = [_keyframes(numbers, name, pictures, total) for numbers, name in names.items()]
    styles.append("@media (prefers-reduced-motion:reduce){g{animation:none!important}}")
    return _document(body, palette, styles, columns * _CELL, (rows + 2) * _ROW)


def still(svg: str, columns: int, rows: int) -> str:
    """A screen as Textual exports it, as a file of a tenth the size."""
    palette: dict[str, str] = {}
    lines = _rows(svg, palette)
    return _document([*lines.values()], palette, [], columns * _CELL, rows * _ROW)


def _document(
    body: Sequence[str], palette: dict[str, str], more_styles: Sequence[str], width: float, height: float
) -> str:
    width, height = width + 2 * _MARGIN, height + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:g} {height:g}">',
            "<style>",
            "text{font-family:'Fira Code',monospace;font-size:20px}",
            *(f".{name}{{{style}}}" for style, name in palette.items()),
            *more_styles,
            "</style>",
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{_PAPER}"/>',
            f'<g transform="translate({_MARGIN},{_MARGIN})">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _rows(svg: str, palette: dict[str, str]) -> dict[int, str]:
    """What is drawn in each row, grounds before text, every style by its name in the palette."""
    styles = dict(_STYLE.findall(svg))
    grounds: dict[int, str] = defaultdict(str)
    for colour, x, y, width, height in _GROUND.findall(svg):
        if colour.lower() != _PAPER:
            row = round((float(y) - _FIRST) / _ROW)
            grounds[row] += f'<rect fill="{colour}" x="{x}" y="{y}" width="{width}" height="{height}"/>'
    texts: dict[int, str] = defaultdict(str)
    for style, x, y, width, row, text in _TEXT.findall(svg):
        if text.replace("&#160;", "").strip():
            name = palette.setdefault(styles[style].replace(": ", ":"), f"c{len(palette)}")
            shown = text.replace("&#160;", "\u00a0")
            texts[int(row)] += f'<text class="{name}" x="{x}" y="{y}" textLength="{width}">{shown}</text>'
    return {row: grounds[row] + texts[row] for row in sorted({*grounds, *texts})}


def _caption(picture: Picture, rows: int, width: float) -> str:
    y = (rows + 1) * _ROW
    key = (
        f'<tspan fill="{_INK}" font-weight="bold">{escape(picture.pressed)}</tspan>\u00a0\u00a0 '
        if picture.pressed
        else ""
    )
    ground = f'<rect fill="{_BAR}" x="0" y="{y - 6:g}" width="{width:g}" height="34" rx="6"/>'
    return f'{ground}<text x="14" y="{y + 18:g}" fill="{_DIM}">{key}{escape(picture.caption)}</text>'


def _timing(numbers: tuple[int, ...], names: dict[tuple[int, ...], str]) -> str:
    if numbers not in names:
        return ""
    return f' class="{names[numbers]}"' + ("" if 0 in numbers else ' visibility="hidden"')


def _keyframes(numbers: tuple[int, ...], name: str, pictures: Sequence[Picture], total: float) -> str:
    """The rule that shows something in those pictures and hides it in all others."""
    stops, at, shown = [], 0.0, None
    for number, picture in enumerate(pictures):
        if (number in numbers) is not shown:
            shown = number in numbers
            stops.append(f"{100 * at / total:.2f}%{{visibility:{'visible' if shown else 'hidden'}}}")
        at += picture.seconds
    return f"@keyframes {name}{{{''.join(stops)}}}.{name}{{animation:{name} {total:g}s step-end infinite}}"
