"""Single values of a YAML file, read and written by the core schema of YAML 1.2."""

from __future__ import annotations

import json
import math
import re

from fleet.model import Scalar

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_NUMBER = 40
"""Characters; what is longer stays text."""

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_/.+@-]*")
_PLAIN_IN_BLOCK = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_/.+@,-]*")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


def resolved(text: str) -> Scalar:
    """The value of a plain scalar (YAML 1.2.2, 10.3.2): ``no`` and ``0.9.0`` are text, ``010`` is ten."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _NOT_FINITE.fullmatch(text) else text


def unprintable(text: str) -> int | None:
    """The offset of the first character YAML does not allow in a file, None where there is none."""
    match = _UNPRINTABLE.search(text)
    return match.start() if match else None


def written(value: Scalar, *, quote: str = "", flow: bool = False) -> str:
    """A value as YAML text that reads back as the same value.

    Args:
        value: A number must be finite.
        quote: The quotes the file uses at this place, kept for text: ``'``, ``"`` or none.
        flow: Whether it stands between brackets, where a comma ends it.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number a fleet file can hold")
        return repr(value)
    return _text(value, quote, flow)


def _text(value: str, quote: str, flow: bool) -> str:
    plain = (_PLAIN if flow else _PLAIN_IN_BLOCK).fullmatch(value) and isinstance(resolved(value), str)
    if plain and quote not in ("'", '"'):
        return value
    if quote == "'" and unprintable(value) is None and not re.search(r"[\t\n\r\x85\u2028\u2029]", value):
        return "'" + value.replace("'", "''") + "'"
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    if character in "\x85\u2028\u2029" or unprintable(character) is not None:
        return f"\\U{ord(character):08x}"
    return character
