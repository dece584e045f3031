"""The syntax of systemd's unit files: assignments in sections, and words with quotes and escapes.

The rules are those of systemd.syntax(7) and of systemd's ``extract_first_word`` as it reads ``ExecStart=``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

_FRAGMENT = re.compile(r"# (/\S.*\.(?:service|conf|container))")
_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_LETTERS = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ",
    "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip
_ESCAPE = re.compile(
    r"x(?P<byte>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<octal>[0-3][0-7]{2})"
)


class Assignment(NamedTuple):
    """One ``KEY=VALUE`` of a unit file, continuation lines joined."""

    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a value."""

    raw: str
    """As the file writes it, quotes and escapes included."""
    text: str
    """Unquoted; specifiers (``%i``) and variables (``${NAME}``) as they are."""


def quoted(text: str, *, expands: bool) -> str:
    """The text as one word of a unit file that means exactly this text.

    ``expands``: whether the setting expands ``$NAME``, as ``ExecStart=`` does and ``Environment=`` does not.
    Raises ValueError for what no unit file can hold.
    """
    if "\0" in text:
        raise ValueError("a unit file cannot hold a NUL")
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if expands:
        escaped = escaped.replace("$", "$$")
    escaped = re.sub(r"[\x01-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", escaped)
    return f'"{escaped}"'


def literal(text: str, *, expands: bool) -> str:
    """A word's text with doubled ``%%`` (and, where the setting expands variables, ``$$``) made single."""
    text = text.replace("%%", "%")
    return text.replace("$$", "$") if expands else text


def assignments(text: str) -> Iterator[Assignment]:
    """Every assignment of a unit file's text, in order; comments and lines without ``=`` are passed over."""
    section = ""
    for line in _logical_lines(text):
        if line.startswith("["):
            section = line.strip("[] \t")
            continue
        key, equals, value = line.partition("=")
        if equals:
            yield Assignment(section, key.strip(), value.strip())


def _logical_lines(text: str) -> Iterator[str]:
    joined = ""
    for line in text.splitlines():
        line = line.lstrip()
        if line[:1] in {"#", ";"}:
            continue
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            joined += line[:-1] + " "
            continue
        yield joined + line
        joined = ""
    if joined:
        yield joined


def words(value: str) -> list[Word]:
    """Split a value as systemd does. Raises ValueError where a quote is not closed."""
    result: list[Word] = []
    position = 0
    while position < len(value):
        if value[position].isspace():
            position += 1
            continue
        start = position
        text, position = _word(value, start)
        result.append(Word(value[start:position], text))
    return result


def _word(value: str, position: int) -> tuple[str, int]:
    text, quote = "", ""
    while position < len(value):
        char = value[position]
        if char == "\\":
            piece, position = _unescaped(value, position + 1)
            text += piece
            continue
        if quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif not quote and char.isspace():
            break
        else:
            text += char
        position += 1
    if quote:
        raise ValueError(f"a {quote} is opened and never closed")
    return text, position


def _unescaped(value: str, position: int) -> tuple[str, int]:
    if match := _ESCAPE.match(value, position):
        digits, base = (match["octal"], 8) if match["octal"] else (match[0][1:], 16)
        return chr(int(digits, base)), match.end()
    letter = value[position : position + 1]
    return _LETTERS.get(letter, "\\" + letter), position + 1


def fragments(printed: str) -> list[tuple[str, str]]:
    """(path, text) of each file that ``systemctl cat`` printed, or what prints as it does, in order."""
    result: list[tuple[str, list[str]]] = []
    after_blank = True
    for line in printed.splitlines():
        header = _FRAGMENT.fullmatch(line) if after_blank or not result else None
        if header:
            result.append((header[1], []))
        elif result:
            result[-1][1].append(line)
        after_blank = not line.strip()
    return [(path, "\n".join(lines)) for path, lines in result]


def environment_of(settings: Iterable[Assignment], section: str) -> dict[str, str]:
    """The variables that a section's ``Environment=`` lines leave set."""
    found: dict[str, str] = {}
    for in_section, key, value in settings:
        if (in_section, key) != (section, "Environment"):
            continue
        if not value:
            found = {}
            continue
        try:
            pairs = [literal(word.text, expands=False) for word in words(value)]
        except ValueError:
            continue  # systemd passes such a line over too
        found.update((name, text) for name, equals, text in (pair.partition("=") for pair in pairs) if equals)
    return found


def rewritten(own: Sequence[Word], before: Sequence[str], after: Sequence[str], *, expands: bool) -> str:
    """A value whose words mean ``after``: those ``own`` words that are among them as they are written, ``%i`` and all.

    ``before`` are the same own words by their text.
    """
    written: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if kind == "equal":
            written += [word.raw for word in own[a:b]]
        else:
            written += [quoted(word, expands=expands) for word in after[c:d]]
    return " ".join(written)
