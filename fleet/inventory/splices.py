"""Single changes of a YAML text that leave all else alone: a value replaced, an entry added or removed."""

from __future__ import annotations

from fleet.inventory.nodes import Entry, MappingNode, ScalarNode
from fleet.inventory.scalars import written
from fleet.model import Scalar


def with_value(text: str, mapping: MappingNode, entry: Entry, value: Scalar) -> str:
    """The text with another value in an entry of the mapping; its quotes are kept for text."""
    node = entry.value
    quote = node.style if isinstance(node, ScalarNode) else ""
    new = written(value, quote=quote, flow=mapping.flow)
    if node.span.start == node.span.end:
        new = f" {new}"
    return text[: node.span.start] + new + text[node.span.end :]


def with_entry(text: str, mapping: MappingNode, after: Entry, body: str) -> str:
    """The text with ``body``, a key and its value, after an entry of the mapping.

    In a block it gets lines of its own; further lines of ``body`` are indented from the mapping's column.
    """
    if mapping.flow:
        end = after.value.span.end
        return f"{text[:end]}, {body}{text[end:]}"
    return _with_lines(text, after, body, indent(mapping))


def with_first_entry(text: str, parent: MappingNode, holder: Entry, body: str, step: int) -> str:
    """The text with ``body`` as the only entry of an empty mapping, the value of ``holder``.

    ``step`` is how many columns deeper than ``holder`` it goes where it gets a line of its own.
    """
    start, end = holder.value.span.start, holder.value.span.end
    if isinstance(holder.value, MappingNode):
        return f"{text[: end - 1]}{body}{text[end - 1 :]}"
    if parent.flow:
        return f"{text[:start]} {{{body}}}{text[end:]}"
    return _with_lines(text, holder, body, indent(parent) + step)


def without(text: str, mapping: MappingNode, entry: Entry) -> str:
    """The text without an entry of the mapping; in a block, without its lines."""
    start, end = entry.key.span.start, entry.value.span.end
    if not mapping.flow:
        line_start = text.rfind("\n", 0, start) + 1
        next_line = text.find("\n", end) + 1 or len(text)
        return text[:line_start] + text[next_line:]
    position = mapping.entries.index(entry)
    if position:
        start = mapping.entries[position - 1].value.span.end
    elif len(mapping.entries) > 1:
        end = mapping.entries[1].key.span.start
    return text[:start] + text[end:]


def indent(mapping: MappingNode) -> int:
    """The blanks before each key of a block mapping."""
    return mapping.entries[0].key.span.column - 1


def line_end(text: str, offset: int) -> int:
    """Where the line of that offset ends, its line break left out."""
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - 1 if text[end - 1] == "\r" else end


def _with_lines(text: str, after: Entry, body: str, columns: int) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = "".join(f"{newline}{' ' * columns}{line}" for line in body.split("\n"))
    end = line_end(text, after.value.span.end)
    return text[:end] + lines + text[end:]
