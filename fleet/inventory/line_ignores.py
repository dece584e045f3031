"""Findings ignored where they arise: ``# gpudeck: ignore MEM002 measured under load`` on a line of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fleet.inventory.codes import CODES, no_such_code
from fleet.inventory.nodes import AliasNode, Entry, MappingNode, Node, ScalarNode, SequenceNode, Span
from fleet.inventory.problems import Problem
from fleet.text import clean

_COMMENT = re.compile(r"(?<!\S)#[ \t]*gpudeck:(?P<rest>[^\n]*)")
_IGNORE = re.compile(r"ignore\s+(?P<code>\S+)\s+(?P<reason>\S.*)")

Ignored = dict[str, tuple[tuple[str, str], ...]]
"""By model: (code, reason)."""


def line_ignores(text: str, root: Node, models: Mapping[str, Entry], path: Path) -> tuple[Ignored, list[Problem]]:
    """What comments say, and what is wrong with those that say nothing gpudeck understands.

    Args:
        text: The fleet file.
        root: Its tree, whose values may hold what looks like a comment.
        models: The entries under ``models:``.
        path: For the problems.
    """
    lines = {name: _lines(text, entry) for name, entry in models.items()}
    values = tuple(_values(root))
    found: Ignored = {}
    problems = []
    for comment in _COMMENT.finditer(text):
        offset = comment.start()
        if any(span.start <= offset < span.end for span in values):
            continue
        line = text.count("\n", 0, offset) + 1
        name = next((name for name in reversed(lines) if line in lines[name]), None)
        said = _IGNORE.fullmatch(comment["rest"].strip())
        wrong = _wrong(comment[0], said, name)
        if wrong:
            problems.append(Problem.at(path, text, offset, wrong))
        elif said and name:
            found[name] = (*found.get(name, ()), (said["code"], clean(said["reason"])))
    return found, problems


def _wrong(comment: str, said: re.Match[str] | None, model: str | None) -> str | None:
    """What is wrong with a comment that speaks to gpudeck; None where nothing is."""
    if said is None:
        return f"{clean(comment)!r} is not understood; write # gpudeck: ignore CODE, and why."
    if said["code"] not in CODES:
        return no_such_code(said["code"])
    return None if model else "this stands at no model; write it on a line of the model that is meant."


def _lines(text: str, entry: Entry) -> range:
    """The lines of a model, from that of its name to that of its last value."""
    return range(entry.key.span.line, text.count("\n", 0, entry.value.span.end) + 2)


def _values(node: Node) -> Iterator[Span]:
    """Where keys and values stand that hold text."""
    match node:
        case ScalarNode(span=span):
            yield span
        case MappingNode(entries=entries):
            for entry in entries:
                yield entry.key.span
                yield from _values(entry.value)
        case SequenceNode(items=items):
            for item in items:
                yield from _values(item)
        case AliasNode():
            return
