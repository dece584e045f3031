"""What libyaml says about text that is not YAML, in sentences for people who write fleet files."""

from __future__ import annotations

from pathlib import Path

import yaml

from fleet.inventory.problems import Problem

_UNCLOSED_QUOTES = "the quotes opened here are never closed."
_INDENTATION = "this does not fit the lines above; check the indentation and the quotes."

_AT_ITS_START = {
    "could not find expected ':'": "this line is neither 'key: value' nor the rest of a text in quotes.",
    "found unexpected end of stream": _UNCLOSED_QUOTES,
    "found unexpected document indicator": _UNCLOSED_QUOTES,
    "did not find expected ',' or ']'": "this list is not closed with ], or a comma is missing in it.",
    "did not find expected ',' or '}'": "these braces are not closed with }, or a comma is missing in them.",
}
"""By libyaml's sentence: ours, where the place to show is the one at which the broken thing begins."""

_WHERE_IT_BREAKS = {
    "mapping values are not allowed in this context": (
        "no ':' can stand here; check the indentation, and put text that holds ': ' in quotes."
    ),
    "did not find expected key": _INDENTATION,
    "did not find expected '-' indicator": _INDENTATION,
    "did not find expected <document start>": _INDENTATION,
    "did not find expected node content": "a value is missing here.",
    "did not find expected comment or line break": "the text after | or > begins on the next line.",
    "found incompatible YAML document": "this is read as YAML 1.2 and nothing else; take the line away.",
    "found unknown escape character": (r"YAML has no such escape; write \\ for a backslash, or use single quotes."),
}
"""By libyaml's sentence: ours, where the place to show is the one at which reading stopped."""


def syntax_problem(text: str, path: Path, error: yaml.MarkedYAMLError) -> Problem:
    """The problem to show for what libyaml could not read."""
    said = error.problem or ""
    mark = error.problem_mark or error.context_mark
    if said in _AT_ITS_START:
        mark = error.context_mark or mark
    offset = min(mark.index, len(text.rstrip())) if mark else 0
    if said == "found character that cannot start any token":
        return Problem.at(path, text, offset, _misplaced(text[offset : offset + 1]))
    ours = _AT_ITS_START.get(said) or _WHERE_IT_BREAKS.get(said)
    return Problem.at(path, text, offset, ours or f"this cannot be read as YAML: {said or error.context}.")


def _misplaced(character: str) -> str:
    if character == "\t":
        return "a tab stands here; YAML is indented with blanks."
    return f"text cannot begin with {character}; put it in quotes."
