"""The header of a GGUF file: its facts and its tensors. Tokenizers and tensors are passed over, not kept."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from fleet.architecture.ranges import HeaderError, Range, Reader
from fleet.text import clean
from fleet.units import KiB

_PIECE = 256 * KiB
_LONGEST_NAME = 4096
_LONGEST_TEXT = 1 << 24
_KEPT_VALUES = 4096
_MOST_DIMENSIONS = 4
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""Elements and bytes of one block, by ggml's number of the type."""


@dataclass(frozen=True, slots=True)
class Passed:
    """An array that was passed over: a tokenizer's words and the like."""

    count: int


Value = int | float | bool | str | tuple[int | float | bool, ...] | Passed


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the file."""

    name: str
    shape: tuple[int, ...]
    size: int
    """Bytes in the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself."""

    facts: Mapping[str, Value]
    tensors: tuple[Tensor, ...]


def header(file: str, size: int) -> Reader[Header]:
    """The facts and tensors of a GGUF file of ``size`` bytes. Raises HeaderError where it is none."""
    cursor = _Cursor(file, size)
    if (yield from cursor.take(4)) != b"GGUF":
        raise cursor.error("this is no GGUF file", at=0)
    version = yield from cursor.number("<I")
    if version not in (2, 3):
        swapped = version in (2 << 24, 3 << 24)
        raise cursor.error("a big-endian GGUF file is not read" if swapped else f"no GGUF has version {version}", at=4)
    tensors, facts = (yield from cursor.number("<Q")), (yield from cursor.number("<Q"))
    if tensors * 24 > size or facts * 13 > size:
        raise cursor.error(f"{tensors:,} tensors and {facts:,} facts do not fit into {size:,} bytes", at=8)
    said: dict[str, Value] = {}
    for _ in range(facts):
        key = yield from cursor.text(_LONGEST_NAME)
        said[key] = yield from _value(cursor, (yield from cursor.number("<I")))
    found: list[Tensor] = []
    while len(found) < tensors:
        found += [(yield from _tensor(cursor))]
    return Header(said, tuple(found))


class _Cursor:
    """A place in the file, and the bytes after it that are here already."""

    def __init__(self, file: str, size: int) -> None:
        self.file, self.size = file, size
        self._start = 0
        self._held = b""
        self._at = 0

    def error(self, what: str, at: int | None = None) -> HeaderError:
        """An error here, or at another byte."""
        return HeaderError(self.file, self._start + self._at if at is None else at, what)

    def need(self, count: int) -> Reader[None]:
        """See to it that so many bytes are here."""
        missing = count - (len(self._held) - self._at)
        if missing <= 0:
            return
        place = self._start + len(self._held)
        if place + missing > self.size:
            raise self.error("the file ends within its header", at=self.size)
        length = min(max(missing, _PIECE), self.size - place)
        found = yield Range(place, length)
        if len(found) < missing:
            raise self.error("the file ends within its header", at=place + len(found))
        self._held = self._held[self._at :] + found
        self._start = place + len(found) - len(self._held)
        self._at = 0

    def take(self, count: int) -> Reader[bytes]:
        """The next bytes."""
        yield from self.need(count)
        self._at += count
        return self._held[self._at - count : self._at]

    def number(self, kind: str) -> Reader[int]:
        """The next number of that struct format."""
        found: int = struct.unpack(kind, (yield from self.take(struct.calcsize(kind))))[0]
        return found

    def text(self, longest: int) -> Reader[str]:
        """The next string: its length and its bytes."""
        length = yield from self.number("<Q")
        if length > longest:
            raise self.error(f"a text of {length:,} bytes is too long")
        return (yield from self.take(length)).decode("utf-8", "replace")

    def pass_over(self, count: int) -> None:
        """Go on without reading."""
        place = self._start + self._at + count
        if place > self.size:
            raise self.error("the file ends within an array", at=self.size)
        if place <= self._start + len(self._held):
            self._at += count
        else:
            self._start, self._held, self._at = place, b"", 0

    def pass_texts(self, count: int) -> Reader[None]:
        """Go on after so many strings, looking at their lengths only."""
        while count:
            held, at = self._held, self._at
            while count and at + 8 <= len(held):
                length = int.from_bytes(held[at : at + 8], "little")
                if length > _LONGEST_TEXT:
                    raise self.error(f"a text of {length:,} bytes is too long", at=self._start + at)
                if at + 8 + length > len(held):
                    break
                at += 8 + length
                count -= 1
            self._at = at
            if count:
                length = yield from self.number("<Q")
                if length > _LONGEST_TEXT:
                    raise self.error(f"a text of {length:,} bytes is too long")
                yield from self.need(length)
                self.pass_over(length)
                count -= 1


def _value(cursor: _Cursor, kind: int) -> Reader[Value]:
    if kind == _TEXT:
        return (yield from cursor.text(_LONGEST_TEXT))
    if kind == _ARRAY:
        return (yield from _array(cursor))
    if kind not in _SCALARS:
        raise cursor.error(f"no value has type {kind}")
    return (yield from cursor.number(_SCALARS[kind]))


def _array(cursor: _Cursor) -> Reader[Value]:
    kind, count = (yield from cursor.number("<I")), (yield from cursor.number("<Q"))
    if kind == _TEXT:
        if count * 8 > cursor.size:
            raise cursor.error(f"{count:,} texts do not fit into the file")
        yield from cursor.pass_texts(count)
        return Passed(count)
    if kind not in _SCALARS:
        raise cursor.error(f"an array of type {kind} is not read")
    each = struct.calcsize(_SCALARS[kind])
    if count * each > cursor.size:
        raise cursor.error(f"{count:,} values do not fit into the file")
    if count > _KEPT_VALUES:
        cursor.pass_over(count * each)
        return Passed(count)
    return struct.unpack(f"<{count}{_SCALARS[kind][1]}", (yield from cursor.take(count * each)))


def _tensor(cursor: _Cursor) -> Reader[Tensor]:
    name = yield from cursor.text(_LONGEST_NAME)
    dimensions = yield from cursor.number("<I")
    if dimensions > _MOST_DIMENSIONS:
        raise cursor.error(f"{clean(name, 80)} has {dimensions} dimensions")
    shape = struct.unpack(f"<{dimensions}Q", (yield from cursor.take(8 * dimensions)))
    kind = yield from cursor.number("<I")
    yield from cursor.take(8)
    if kind not in _BLOCKS:
        raise cursor.error(f"{clean(name, 80)} has a type that is not known: {kind}")
    block, size = _BLOCKS[kind]
    elements = prod(shape)
    if elements % block or elements >= 1 << 62:
        raise cursor.error(f"{clean(name, 80)} has no usable shape")
    return Tensor(name, shape, elements // block * size)
