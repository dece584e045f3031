"""Words and figures made of blocks, to be read across a room: five pixels high, at any whole scale.

A pixel is ``scale`` cells wide and ``scale`` half cells high, which is about square: a cell is twice as high as wide.
"""

from __future__ import annotations

_PIXELS = 5
_UNKNOWN = "###/..#/.#./.../.#."
_GLYPHS = {
    " ": "././././.", ".": "././././#", ":": "./#/./#/.", "-": ".../.../###/.../...", "_": ".../.../.../.../###",
    "/": "..#/..#/.#./#../#..", "%": "#...#/...#./..#../.#.../#...#", "°": "##/##/../../..",
    "0": "###/#.#/#.#/#.#/###", "1": ".#./##./.#./.#./###", "2": "###/..#/###/#../###", "3": "###/..#/.##/..#/###",
    "4": "#.#/#.#/###/..#/..#", "5": "###/#../###/..#/###", "6": "###/#../###/#.#/###", "7": "###/..#/..#/.#./.#.",
    "8": "###/#.#/###/#.#/###", "9": "###/#.#/###/..#/###",
    "A": ".#./#.#/###/#.#/#.#", "B": "##./#.#/##./#.#/##.", "C": ".##/#../#../#../.##", "D": "##./#.#/#.#/#.#/##.",
    "E": "###/#../##./#../###", "F": "###/#../##./#../#..", "G": ".##/#../#.#/#.#/.##", "H": "#.#/#.#/###/#.#/#.#",
    "I": "#/#/#/#/#", "J": "..#/..#/..#/#.#/.#.", "K": "#.#/#.#/##./#.#/#.#", "L": "#../#../#../#../###",
    "M": "#...#/##.##/#.#.#/#...#/#...#", "N": "#..#/##.#/#.##/#..#/#..#", "O": ".#./#.#/#.#/#.#/.#.",
    "P": "##./#.#/##./#../#..", "Q": ".#./#.#/#.#/.#./..#", "R": "##./#.#/##./#.#/#.#", "S": ".##/#../.#./..#/##.",
    "T": "###/.#./.#./.#./.#.", "U": "#.#/#.#/#.#/#.#/###", "V": "#.#/#.#/#.#/#.#/.#.",
    "W": "#...#/#...#/#.#.#/##.##/#...#", "X": "#.#/#.#/.#./#.#/#.#", "Y": "#.#/#.#/.#./.#./.#.",
    "Z": "###/..#/.#./#../###",
}  # fmt: skip
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""By whether the upper and the lower half are lit."""


def large(text: str, scale: int) -> list[str]:
    """The text in that scale, as lines of equal width; small letters are drawn as capitals."""
    pixels = [_row(text, y, scale) for y in range(_PIXELS) for _ in range(scale)]
    dark = [False] * large_width(text, scale)
    halves = [*pixels, *([dark] * (len(pixels) % 2))]
    return [
        "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(halves[::2], halves[1::2], strict=True)
    ]


def large_width(text: str, scale: int) -> int:
    """Cells the text takes in that scale."""
    return scale * (sum(len(_glyph(letter)[0]) for letter in text) + max(0, len(text) - 1))


def large_height(scale: int) -> int:
    """Lines a text takes in that scale."""
    return (_PIXELS * scale + 1) // 2


def largest_scale(text: str, cells: int, lines: int, *, coarse: bool = False) -> int:
    """The largest scale in which the text fits; 0 where it fits in none.

    ``coarse`` leaves out the scales that need half cells, which ASCII does not have.
    """
    fitting = max(0, min(cells // max(1, large_width(text, 1)), 2 * lines // _PIXELS))
    return fitting - fitting % 2 if coarse else fitting


def _glyph(letter: str) -> list[str]:
    return _GLYPHS.get(letter.upper(), _UNKNOWN).split("/")


def _row(text: str, y: int, scale: int) -> list[bool]:
    """One row of pixels, a cell each, with a dark pixel between letters."""
    marks = ".".join(_glyph(letter)[y] for letter in text)
    return [mark == "#" for mark in marks for _ in range(scale)]
