"""The header of a safetensors file: which tensors it holds, of which type and shape. The tensors are not read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from typing import Any

from fleet.architecture.ranges import HeaderError, Reader, exactly
from fleet.text import clean
from fleet.units import MiB

_LONGEST = 48 * MiB
"""A header of DeepSeek-R1's largest shard has a hundredth of this."""
_MOST_DIMENSIONS = 16
_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I8": 8, "U8": 8, "BOOL": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64,
}  # fmt: skip
"""Bits of one element, by the names the format gives its types."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a checkpoint."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    """Bytes in the file."""

    @property
    def elements(self) -> int:
        """As the file stores them: packed weights count as one where several lie in one."""
        return prod(self.shape)


def header(file: str, size: int) -> Reader[tuple[Tensor, ...]]:
    """The tensors of a safetensors file of ``size`` bytes, in the order of its header.

    Raises HeaderError where the header does not describe such a file: eight bytes of length, JSON of that length,
    and tensors that lie inside the rest without sharing a byte.
    """
    length = int.from_bytes((yield from exactly(file, 0, 8, "the length of its header")), "little")
    if not 2 <= length <= min(size - 8, _LONGEST):
        raise HeaderError(file, 0, f"no safetensors header has {length:,} bytes in a file of {size:,}")
    text = yield from exactly(file, 8, length, "its header")
    entries = _entries(file, text)
    tensors = [(_tensor(file, name, entry, size - 8 - length), entry) for name, entry in entries.items()]
    end = 0
    for tensor, entry in sorted(tensors, key=lambda each: (each[1]["data_offsets"][0], each[0].size)):
        begin = entry["data_offsets"][0]
        if begin < end:
            raise HeaderError(file, 8, f"{clean(tensor.name, 80)} shares bytes with another tensor")
        end = begin + tensor.size
    return tuple(tensor for tensor, _ in tensors)


def _entries(file: str, text: bytes) -> dict[str, dict[str, Any]]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name is given twice")
        return found

    try:
        found = json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise HeaderError(file, 8, "the header is nested too deeply") from None
    except ValueError as error:
        raise HeaderError(file, 8, f"the header is not JSON: {clean(str(error), 120)}") from None
    if not isinstance(found, dict):
        raise HeaderError(file, 8, "the header is no mapping of tensors")
    found.pop("__metadata__", None)
    return found


def _tensor(file: str, name: str, entry: object, room: int) -> Tensor:
    shown = clean(name, 80)
    if not isinstance(entry, dict):
        raise HeaderError(file, 8, f"{shown} is described by no mapping")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise HeaderError(file, 8, f"{shown} has a type that is not known: {clean(str(dtype), 40)}")
    sizes, place = _counts(shape), _counts(offsets)
    if sizes is None or len(sizes) > _MOST_DIMENSIONS:
        raise HeaderError(file, 8, f"{shown} has no usable shape")
    if place is None or len(place) != 2 or not place[0] <= place[1] <= room:
        raise HeaderError(file, 8, f"{shown} does not lie inside the file")
    size = place[1] - place[0]
    if prod(sizes) * _BITS[dtype] != size * 8:
        raise HeaderError(file, 8, f"{shown} takes {size:,} bytes, which its type and shape do not make")
    return Tensor(name, dtype, sizes, size)


def _counts(value: object) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 62 for each in value):
        return tuple(value)
    return None
