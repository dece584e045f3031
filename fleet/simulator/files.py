"""The few commands about files and lines of log that a simulated host knows, kept below its root folder."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from fleet.simulator.commands import Caller, UnknownOptionError, options

_READ_ONLY = ("/proc", "/sys")


def run_on_files(name: str, argv: Sequence[str], caller: Caller) -> int | None:
    """Run one of the file commands; its exit status, or None where ``name`` is none of them."""
    command = _COMMANDS.get(name)
    if command is None:
        return None
    try:
        return command(argv, caller)
    except UnknownOptionError as error:
        caller.err(f"{name}: unrecognized option '{error}'")
    except OSError as error:
        caller.err(f"{name}: {error.strerror}")
    return 1


def _inside(caller: Caller, path: str) -> Path:
    """The real place of a path of the host; a relative one counts from root's home."""
    whole = posixpath.normpath(posixpath.join("/root", path))
    return caller.host.manager.root / whole.lstrip("/")


def _writable(name: str, path: str, caller: Caller) -> bool:
    if posixpath.normpath(path).startswith(_READ_ONLY):
        caller.err(f"{name}: {path}: Read-only file system")
        return False
    return True


def _mkdir(argv: Sequence[str], caller: Caller) -> int:
    given = options(argv, ("m", "mode"), ("p", "parents"))
    status = 0
    for path in given.words:
        place = _inside(caller, path)
        parents = given.has("p", "parents")
        if place.exists() and not (parents and place.is_dir()):
            caller.err(f"mkdir: cannot create directory '{path}': File exists")
            status = 1
        elif not parents and not place.parent.is_dir():
            caller.err(f"mkdir: cannot create directory '{path}': No such file or directory")
            status = 1
        elif not _writable("mkdir", path, caller):
            status = 1
        else:
            place.mkdir(parents=True, exist_ok=True)
    return status


def _tee(argv: Sequence[str], caller: Caller) -> int:
    given = options(argv, (), ("a", "append"))
    status = 0
    for path in given.words:
        place = _inside(caller, path)
        if not place.parent.is_dir():
            caller.err(f"tee: {path}: No such file or directory")
            status = 1
        elif place.is_dir():
            caller.err(f"tee: {path}: Is a directory")
            status = 1
        elif _writable("tee", path, caller):
            before = place.read_bytes() if given.has("a", "append") and place.is_file() else b""
            place.write_bytes(before + caller.stdin)
        else:
            status = 1
    caller.write(1, caller.stdin)
    return status


def _mv(argv: Sequence[str], caller: Caller) -> int:
    given = options(argv, (), ("T", "no-target-directory", "f", "force"))
    if len(given.words) != 2:
        caller.err("mv: missing file operand")
        return 1
    old, new = given.words
    source, target = _inside(caller, old), _inside(caller, new)
    if not source.exists():
        caller.err(f"mv: cannot stat '{old}': No such file or directory")
        return 1
    if target.is_dir() and not given.has("T", "no-target-directory"):
        target /= source.name
    if not _writable("mv", new, caller):
        return 1
    source.rename(target)
    return 0


def _rm(argv: Sequence[str], caller: Caller) -> int:
    given = options(argv, (), ("f", "force", "r", "R", "recursive"))
    status = 0
    for path in given.words:
        place = _inside(caller, path)
        if place.is_dir() and not given.has("r", "R", "recursive"):
            caller.err(f"rm: cannot remove '{path}': Is a directory")
            status = 1
        elif place.is_dir():
            shutil.rmtree(place)
        elif place.exists():
            place.unlink()
        elif not given.has("f", "force"):
            caller.err(f"rm: cannot remove '{path}': No such file or directory")
            status = 1
    return status


def _cat(argv: Sequence[str], caller: Caller) -> int:
    given = options(argv, (), ())
    status = 0
    if not given.words:
        caller.write(1, caller.stdin)
    for path in given.words:
        place = _inside(caller, path)
        if place.is_file():
            caller.write(1, place.read_bytes())
        else:
            reason = "Is a directory" if place.is_dir() else "No such file or directory"
            caller.err(f"cat: {path}: {reason}")
            status = 1
    return status


def _logger(argv: Sequence[str], caller: Caller) -> int:
    given = options(argv, ("t", "tag"), ())
    tag = next(iter(given.values("t", "tag")), "logger")
    machine = caller.host.machine
    machine.journal.write(machine.now, "", tag, 1, " ".join(given.words))
    return 0


def _true(argv: Sequence[str], caller: Caller) -> int:
    return 0


_COMMANDS: dict[str, Callable[[Sequence[str], Caller], int]] = {
    "mkdir": _mkdir,
    "tee": _tee,
    "mv": _mv,
    "rm": _rm,
    "cat": _cat,
    "logger": _logger,
    "true": _true,
}
