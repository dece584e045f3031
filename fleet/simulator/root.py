"""Which command a session's shim asked for, and as whom it runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

from fleet.simulator.commands import Caller
from fleet.simulator.files import run_on_files
from fleet.simulator.journalctl import journalctl
from fleet.simulator.running import RunningMachine
from fleet.simulator.systemctl import systemctl

NAMES = ("sudo", "systemctl", "journalctl", "cat", "logger")
"""The commands a session finds before the machine's own."""
_SUDO_SWITCHES = ("-n", "-E", "-H", "--non-interactive")


async def execute(host: RunningMachine, argv: Sequence[str], stdin: bytes, write: Callable[[int, bytes], None]) -> int:
    """Run a command of an ordinary user; its exit status. What it prints goes to ``write(1 or 2, bytes)``."""
    host.poke()
    return await _run(argv, Caller(host, root=False, stdin=stdin, write=write))


async def _run(argv: Sequence[str], caller: Caller) -> int:
    name, *rest = argv
    match name.rpartition("/")[2]:
        case "systemctl":
            return await systemctl(rest, caller)
        case "journalctl":
            return await journalctl(rest, caller)
        case "sudo":
            return await _sudo(rest, caller)
        case command:
            status = run_on_files(command, rest, caller)
            if status is None:
                caller.err(f"sudo: {name}: command not found")
                return 1
            return status


async def _sudo(argv: Sequence[str], caller: Caller) -> int:
    rest = list(argv)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        if word in {"-l", "--list"}:
            return _listed(rest, caller)
        if word in {"-u", "--user"} and rest:
            rest.pop(0)
        elif word not in _SUDO_SWITCHES:
            caller.err(f"sudo: unrecognized option '{word}'")
            return 1
    if not rest:
        caller.err("usage: sudo [-n] [-u user] command [arg ...]")
        return 1
    return await _run(rest, replace(caller, root=True))


def _listed(command: Sequence[str], caller: Caller) -> int:
    """What sudo allows, which is everything; or that it allows this command."""
    words = [word for word in command if word not in _SUDO_SWITCHES and word != "--"]
    caller.out(f"/usr/bin/{shlex.join(words)}" if words else "User ops may run:\n    (ALL) NOPASSWD: ALL")
    return 0
