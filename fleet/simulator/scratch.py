"""Folders of running demos: under one folder per user, each locked by its process, swept up after a crash."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fleet.errors import UsageError
from fleet.text import clean

LOCK = ".gpudeck-demo"
_PARENT_LOCK = ".lock"
ENTRIES = ("fleet.yaml", "ssh_config", "known_hosts", "key", "hosts")
"""What a demo writes into its folder, beside the lock."""
_UNWRITABLE = frozenset('%"\\\n')


def choose() -> Path:
    """A folder for a new demo; it is not made yet."""
    return _parent_path() / f"demo-{os.urandom(4).hex()}"


class Scratch:
    """The folder of one running demo. It is locked as long as this process lives."""

    def __init__(self, directory: Path | None = None) -> None:
        """Make the folder, or take an empty or abandoned one; abandoned folders of other demos go.

        Raises UsageError where the folder holds something else, or another demo runs in it.
        """
        self.path = (directory or choose()).absolute()
        with _locked_parent() as parent:
            _sweep(parent)
            self._lock = _claim(self.path)

    def remove(self) -> None:
        """Take away what the demo wrote, and the folder where nothing else is in it."""
        with _locked_parent() as parent:
            if self.path.parent == parent:
                shutil.rmtree(self.path, ignore_errors=True)
            else:
                _clear(self.path)
                (self.path / LOCK).unlink(missing_ok=True)
                with suppress(OSError):
                    self.path.rmdir()
        self._lock.close()


def _parent_path() -> Path:
    return Path(tempfile.gettempdir()) / f"gpudeck-{os.getuid()}"


def _parent() -> Path:
    """The user's folder of demos. Raises UsageError where someone else could write in it."""
    path = _parent_path()
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UsageError(
            f"{path} is not a folder that is yours alone, so no demo can keep its key there.",
            "Remove it, or name another folder for temporary files with TMPDIR.",
        )
    return path


def _claim(path: Path) -> IO[bytes]:
    if _UNWRITABLE & set(str(path)):
        raise UsageError(
            f"{clean(str(path))} has a character that ssh configurations cannot hold everywhere.",
            "Name a folder without per cent sign, quote, backslash or line end.",
        )
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a folder.", "Name a folder for the demo's files.")
    if path.is_dir() and not (path / LOCK).exists() and any(path.iterdir()):
        raise UsageError(
            f"{path} holds files that are not a demo's, and a demo would clear it when it ends.",
            "Name an empty or a new folder.",
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (path / LOCK).open("ab")
    if not _lock(lock):
        lock.close()
        raise UsageError(f"A demo is being served from {path} already.", "Name another folder.")
    _clear(path)
    return lock


def _sweep(parent: Path) -> None:
    """Remove the folders of demos whose process is gone."""
    for path in parent.glob("demo-*"):
        with suppress(OSError), (path / LOCK).open("ab") as lock:
            if _lock(lock):
                shutil.rmtree(path, ignore_errors=True)


def _clear(path: Path) -> None:
    for name in ENTRIES:
        entry = path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked_parent() -> Iterator[Path]:
    """The user's folder of demos, to this process alone; it goes when no demo is in it."""
    file = _lock_parent()
    parent = _parent_path()
    try:
        yield parent
    finally:
        if not any(parent.glob("demo-*")):
            (parent / _PARENT_LOCK).unlink()
            with suppress(OSError):
                parent.rmdir()
        file.close()


def _lock_parent() -> IO[bytes]:
    while True:
        with suppress(FileNotFoundError):  # whoever had the lock before us may have taken the folder away
            lock = _parent() / _PARENT_LOCK
            file = lock.open("ab")
            fcntl.flock(file, fcntl.LOCK_EX)
            if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
            file.close()
