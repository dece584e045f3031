"""Reading a little of a large file, wherever it is: a reader asks for ranges of bytes, a driver fetches them.

A reader is a generator that yields a `Range` and is sent its bytes. The same reader so serves a file on this machine
and one on a host behind SSH, and no reader can take more than `MOST` bytes of a file, whatever the file claims.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fleet.errors import UsageError
from fleet.text import clean
from fleet.units import MiB

MOST = 64 * MiB
"""Bytes that are read of one file."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Range:
    """``length`` bytes from ``offset`` on."""

    offset: int
    length: int


Reader = Generator[Range, bytes, _T]
"""Yields what it wants to see, is sent it, and returns what it found."""


class HeaderError(UsageError):
    """A file that is not what its name says: which, where in it, and what is wrong."""

    title = "Unreadable checkpoint"

    def __init__(self, file: str, offset: int, what: str) -> None:
        super().__init__(
            f"{clean(file)}, byte {offset:,}: {what}.", "Give another file, or the model's config.json by --config."
        )


def exactly(file: str, offset: int, length: int, what: str) -> Reader[bytes]:
    """Those bytes of the file. Raises HeaderError where it ends before."""
    found = yield Range(offset, length)
    if len(found) < length:
        raise HeaderError(file, offset + len(found), f"the file ends within {what}")
    return found


def read_local(path: Path, reader: Callable[[str, int], Reader[_T]]) -> _T:
    """What a reader finds in a file here; it is given the file's name and its size.

    Raises UsageError where the file cannot be read, HeaderError where it is not what the reader takes it for.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            steps, left = reader(name, path.stat().st_size), MOST
            try:
                wanted = next(steps)
                while True:
                    left = _left(name, wanted, left)
                    file.seek(wanted.offset)
                    wanted = steps.send(file.read(wanted.length))
            except StopIteration as end:
                found: _T = end.value
                return found
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this cannot be the name of a file"
        raise UsageError(f"{clean(name)} cannot be read: {reason}.") from None


async def read_remote(
    name: str, size: int, reader: Callable[[str, int], Reader[_T]], fetch: Callable[[Range], Awaitable[bytes]]
) -> _T:
    """What a reader finds in a file elsewhere, of which ``fetch`` brings ranges. Raises as `read_local` does."""
    steps, left = reader(name, size), MOST
    try:
        wanted = next(steps)
        while True:
            left = _left(name, wanted, left)
            wanted = steps.send(await fetch(wanted))
    except StopIteration as end:
        found: _T = end.value
        return found


def _left(name: str, wanted: Range, left: int) -> int:
    if wanted.length > left:
        raise HeaderError(name, wanted.offset, f"its header goes on after {MOST >> 20} MiB, which is as far as is read")
    return left - wanted.length
