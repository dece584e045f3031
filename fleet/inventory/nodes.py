"""A YAML text as a tree of values that know where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fleet.inventory.scalars import resolved
from fleet.model import Scalar

Plain = Scalar | list["Plain"] | dict[str, "Plain"]
"""What a tree says, without the places."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text."""

    start: int
    """Offset of its first character."""
    end: int
    """Offset after its last character; comments and blank lines that follow are outside."""
    line: int
    """Of its start, from 1."""
    column: int
    """Of its start in characters, from 1."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value, or a key."""

    span: Span
    text: str
    """Quotes and escapes undone."""
    style: str
    """``'`` or ``"`` quoted, ``|`` or ``>`` a block, empty for plain."""

    size: ClassVar[int] = 1
    height: ClassVar[int] = 0

    @property
    def value(self) -> Scalar:
        """The value it stands for."""
        return self.text if self.style else resolved(self.text)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value in a mapping."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Keys and values, in the order written."""

    span: Span
    entries: tuple[Entry, ...]
    flow: bool
    """Whether it is written between braces."""
    size: int
    """Values in it and below, aliases followed."""
    height: int
    """Levels below it, aliases followed."""

    def get(self, key: str) -> Entry | None:
        """The entry of that key."""
        return next((entry for entry in self.entries if entry.key.text == key), None)


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list of values."""

    span: Span
    items: tuple[Node, ...]
    size: int
    height: int


@dataclass(frozen=True, slots=True)
class AliasNode:
    """``*name`` in place of a value written elsewhere as ``&name``."""

    span: Span
    target: Node

    @property
    def size(self) -> int:
        """Values it stands for."""
        return self.target.size

    @property
    def height(self) -> int:
        """Levels below it."""
        return self.target.height


Node = ScalarNode | MappingNode | SequenceNode | AliasNode


def dereferenced(node: Node) -> ScalarNode | MappingNode | SequenceNode:
    """The node itself, or the one its alias names."""
    while isinstance(node, AliasNode):
        node = node.target
    return node


def plain(node: Node) -> Plain:
    """What the tree says: scalars, lists, and dicts whose keys are text as written."""
    match dereferenced(node):
        case ScalarNode() as scalar:
            return scalar.value
        case SequenceNode(items=items):
            return [plain(item) for item in items]
        case MappingNode(entries=entries):
            return {entry.key.text: plain(entry.value) for entry in entries}


def mapping(value: Plain | None) -> Mapping[str, Plain]:
    """What a value says by key; nothing where it is no mapping, which is for the schema to complain of."""
    return value if isinstance(value, dict) else {}


def trail(node: Node, keys: Sequence[str]) -> list[Entry]:
    """The entries passed on the way along ``keys``, as far as the tree goes; items of a list stand under numbers."""
    passed: list[Entry] = []
    for key in keys:
        entry = _entry(dereferenced(node), key)
        if entry is None:
            break
        passed.append(entry)
        node = entry.value
    return passed


def _entry(node: ScalarNode | MappingNode | SequenceNode, key: str) -> Entry | None:
    if isinstance(node, MappingNode):
        return node.get(key)
    if isinstance(node, SequenceNode) and key.isdecimal() and int(key) < len(node.items):
        item = node.items[int(key)]
        return Entry(ScalarNode(item.span, key, ""), item)
    return None
