"""Whether what gpudeck keeps on this machine can be kept: its state folder, journals and histories."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from console.doctor import Check, Grade
from console.fleets import history_path, journal_path
from console.settings_file import own_settings
from fleet.history.recording import LIMIT_BYTES
from fleet.inventory import Inventory
from fleet.text import clean
from fleet.units import MiB, gib_text

LEAST_FREE = 256 * MiB
"""Room below which a history soon fails to grow."""
LARGE_HISTORY = LIMIT_BYTES * 5 // 4
"""A history that keeps to its own limit is never so large."""

_check = partial(Check, "records")


def folder_checks(folder: Path) -> Iterator[Check]:
    """Whether files can be made in the state folder, or it itself where it is not there yet."""
    shown = clean(str(folder))
    there = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield _check(
            "folder",
            Grade.FAIL,
            f"Nothing can be written to {shown}, so that no rollout can begin.",
            f"Let yourself write to {clean(str(there))}, or set XDG_STATE_HOME.",
        )
        return
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        yield _check("folder", Grade.FAIL, f"{gib_text(free)} are free for {shown}.", "Make room on that file system.")
    elif folder.is_dir() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield _check("folder", Grade.WARN, f"Others may write to {shown}.", f"chmod 700 {shown}")
    else:
        yield _check("folder", Grade.OK, f"{shown} can be written.")


def settings_check() -> Check:
    """Whether the user's settings can be read."""
    _, remark = own_settings()
    if remark:
        return _check("settings", Grade.WARN, remark, "`gpudeck config validate` names every place in the file.")
    return _check("settings", Grade.OK, "Your settings hold.")


def file_checks(inventory: Inventory, folder: Path) -> Iterator[Check]:
    """The fleet's journal and its history, where there are any."""
    yield from _journal(journal_path(inventory, folder))
    yield from _history(history_path(inventory, folder))


def _journal(path: Path) -> Iterator[Check]:
    if not path.exists():
        yield _check("journal", Grade.OK, "No rollout was carried out from this machine yet.")
    elif not os.access(path, os.R_OK | os.W_OK):
        yield _check(
            "journal", Grade.FAIL, f"{clean(str(path))} cannot be written.", "See whose file it is: `ls -l` there."
        )
    else:
        yield _check("journal", Grade.OK, f"{clean(path.name)} can be written.")


def _history(path: Path) -> Iterator[Check]:
    if not path.exists():
        yield _check("history", Grade.OK, "Nothing is recorded yet; a console or wallboard that is open records.")
        return
    size = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*") if part.is_file())
    if not os.access(path, os.R_OK | os.W_OK):
        yield _check(
            "history", Grade.FAIL, f"{clean(str(path))} cannot be written.", "See whose file it is: `ls -l` there."
        )
    elif size > LARGE_HISTORY:
        yield _check(
            "history",
            Grade.WARN,
            f"It takes {gib_text(size)}, more than it should.",
            f"Move {clean(str(path))} away while no console is open; another is begun.",
        )
    else:
        yield _check("history", Grade.OK, f"It takes {size / MiB:.1f} MiB.")
