"""The one place where text from outside is made harmless before anyone looks at it."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
    r"|\x9b[0-?]*[ -/]*[@-~]",  # CSI as one C1 character
    re.DOTALL,
)
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"  # zero-width, line separators, bidi overrides
    "\ud800-\udfff]"  # lone surrogates
)


def clean(text: str, limit: int = 400) -> str:
    """One harmless line: no escape sequence, control or invisible character; at most ``limit`` characters.

    White space runs become one blank, so a newline cannot draw on the next row.
    """
    text = text[: limit * 8]  # bounds the work on hostile input
    text = _ESCAPES.sub("", text)
    text = _INVISIBLE.sub("", re.sub(r"[\t\n\v\f\r\x85\u2028\u2029]+", " ", text))
    text = re.sub(r" {2,}", " ", text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_lines(text: str, limit: int = 400, lines: int = 10_000) -> list[str]:
    """The last ``lines`` lines of a text, each made harmless by `clean`, indentation kept as blanks."""
    result = []
    for line in text.splitlines()[-lines:]:
        body = line.lstrip(" \t")
        indent = min(len(line) - len(body), 16)
        result.append(" " * indent + clean(body, limit))
    return result
