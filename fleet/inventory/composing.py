"""YAML events into a tree: one document, no tags, no merge keys, bounded in size and depth.

The events are composed here because PyYAML's own composer neither bounds its depth nor keeps duplicate keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import yaml

from fleet.inventory.nodes import AliasNode, Entry, MappingNode, Node, ScalarNode, SequenceNode, Span
from fleet.inventory.problems import Problem

MOST_VALUES = 100_000
"""Values in a file, aliases followed."""
DEEPEST = 20
"""Levels in a file, aliases followed."""


class UnreadableError(Exception):
    """Composing cannot go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Composer:
    """One text on its way to a tree. Steps over what it can, so that all problems show at once."""

    def __init__(self, text: str, path: Path) -> None:
        self.problems: list[Problem] = []
        """What was stepped over."""
        self._text = text
        self._path = path
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def document(self) -> Node:
        """The tree of the text; an empty scalar for an empty text.

        Raises UnreadableError, and PyYAML's MarkedYAMLError where the text is not YAML.
        """
        event = next(self._events)
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return ScalarNode(Span(0, 0, 1, 1), "", "")
        root = self._node(event, 0)
        for later in self._events:
            if isinstance(later, yaml.DocumentStartEvent):
                self._stop(later, "a second document starts here; a fleet file is one document.")
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._count(event, 1)
        if depth > DEEPEST:
            self._stop(event, f"this is nested more than {DEEPEST} levels deep.")
        node: Node
        match event:
            case yaml.AliasEvent():
                return self._alias(event, depth)
            case yaml.ScalarEvent():
                node = self._scalar(event)
            case yaml.MappingStartEvent():
                node = self._mapping(event, depth)
            case yaml.SequenceStartEvent():
                node = self._sequence(event, depth)
            case _:
                raise AssertionError(f"{event} does not begin a value")
        if event.tag is not None:
            self._note(node.span, "a tag (!) has no meaning in a fleet file; take it away.")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent, depth: int) -> AliasNode:
        name = event.anchor or ""
        target = self._anchors.get(name)
        if target is None:
            self._stop(event, f"*{name} stands for nothing: no finished value above it is marked &{name}.")
        if depth + target.height > DEEPEST:
            self._stop(event, f"with what *{name} stands for, this is nested more than {DEEPEST} levels deep.")
        self._count(event, target.size)
        return AliasNode(self._span(event), target)

    def _scalar(self, event: yaml.ScalarEvent) -> ScalarNode:
        style = event.style or ""
        span = self._span(event)
        if style in ("|", ">"):
            written = self._text[span.start : span.end].rstrip()
            span = Span(span.start, span.start + len(written), span.line, span.column)
        return ScalarNode(span, event.value, style)

    def _sequence(self, start: yaml.SequenceStartEvent, depth: int) -> SequenceNode:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        size = 1 + sum(item.size for item in items)
        height = max((item.height + 1 for item in items), default=0)
        end = _end(event) if start.flow_style or not items else items[-1].span.end
        return SequenceNode(self._span(start, end), tuple(items), size, height)

    def _mapping(self, start: yaml.MappingStartEvent, depth: int) -> MappingNode:
        entries: dict[str, Entry] = {}
        size, height, end = 1, 0, _end(start)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, depth)
            value = self._node(next(self._events), depth + 1)
            size, height, end = size + value.size, max(height, value.height + 1), value.span.end
            self._enter(entries, Entry(key, value))
        if start.flow_style:
            end = _end(event)
        return MappingNode(self._span(start, end), tuple(entries.values()), bool(start.flow_style), size, height)

    def _key(self, event: yaml.Event, depth: int) -> ScalarNode:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(event, "a key must be a plain word.")
        key = self._node(event, depth)
        assert isinstance(key, ScalarNode)
        return key

    def _enter(self, entries: dict[str, Entry], entry: Entry) -> None:
        key = entry.key
        if key.text == "<<" and not key.style:
            self._note(key.span, "merge keys (<<) are not part of YAML 1.2; write the keys out.")
            return
        first = entries.setdefault(key.text, entry).key.span
        if first is not key.span:
            where = f"line {first.line}, column {first.column}"
            self._note(key.span, f"{key.text!r} is given twice; the first is in {where}.")

    def _span(self, event: yaml.Event, end: int | None = None) -> Span:
        mark = event.start_mark
        assert mark is not None
        return Span(mark.index, _end(event) if end is None else end, mark.line + 1, mark.column + 1)

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            self._stop(event, f"from here on the file holds more than {MOST_VALUES:,} values.")

    def _note(self, span: Span, message: str) -> None:
        self.problems.append(Problem(self._path, span.line, span.column, message))

    def _stop(self, event: yaml.Event, message: str) -> NoReturn:
        span = self._span(event)
        raise UnreadableError(Problem(self._path, span.line, span.column, message))


def _end(event: yaml.Event) -> int:
    assert event.end_mark is not None
    return event.end_mark.index
