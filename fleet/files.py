"""Putting text into a file whole: a reader sees the old text or the new one, and a kill in between leaves the old."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE, READABLE = 0o600, 0o644


@contextmanager
def beside(target: Path, text: str, mode: int = PRIVATE) -> Iterator[Path]:
    """A file beside the target that holds the text and is on disk; gone at the end unless renamed.

    It has the target's mode and owner, or where there is no target yet this mode. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            _like(descriptor, target, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def replace(target: Path, text: str, mode: int = PRIVATE) -> None:
    """Have the file hold this text, as `beside` makes it. Raises OSError; the file is untouched then."""
    with beside(target, text, mode) as new:
        new.replace(target)


def _like(descriptor: int, target: Path, mode: int) -> None:
    with suppress(FileNotFoundError):
        there = target.stat()
        with suppress(PermissionError):
            os.fchown(descriptor, there.st_uid, there.st_gid)
        mode = stat.S_IMODE(there.st_mode)
    os.fchmod(descriptor, mode)
