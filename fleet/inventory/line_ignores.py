"""Findings ignored where they arise: ``# gpudeck: ignore MEM002 measured under load`` on a line of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from fleet.inventory.fields import CODE
from fleet.inventory.nodes import Entry
from fleet.inventory.problems import Problem
from fleet.text import clean

_COMMENT = re.compile(r"#\s*gpudeck:\s*(?P<rest>[^#\n]*)")
_IGNORE = re.compile(rf"ignore\s+(?P<code>{CODE})\s+(?P<reason>\S.*)")

Ignored = dict[str, tuple[tuple[str, str], ...]]
"""By model: (code, reason)."""


def line_ignores(text: str, models: Mapping[str, Entry], path: Path) -> tuple[Ignored, list[Problem]]:
    """What comments say, and what is wrong with those that say nothing gpudeck understands."""
    starts = sorted((entry.key.span.line, name) for name, entry in models.items())
    found: Ignored = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        comment = _COMMENT.search(line)
        if comment is None:
            continue
        said = _IGNORE.fullmatch(comment["rest"].strip())
        name = next((name for start, name in reversed(starts) if start <= number), None)
        if said and name:
            found[name] = (*found.get(name, ()), (said["code"], clean(said["reason"])))
            continue
        message = (
            "this stands at no model"
            if said
            else f"{clean(comment[0])!r} is not understood; write # gpudeck: ignore CODE, and why"
        )
        problems.append(Problem(path, number, comment.start() + 1, f"{message}."))
    return found, problems
