"""The ``systemctl`` of a simulated host: its verbs, its words and its exit statuses (systemd 252)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatch

from fleet.simulator.commands import Caller, Options, UnknownOptionError, options, unit_named
from fleet.simulator.physics import Phase
from fleet.simulator.systemctl_show import properties, status_lines
from fleet.simulator.systemd import BadUnitError, NoSuchUnitError, State, Unit

_CHANGES = {"start", "stop", "restart", "reset-failed", "daemon-reload", "kill"}
_WITH_VALUE = ("p", "property", "n", "lines", "o", "output", "t", "type", "state", "signal", "s")
_SWITCHES = (
    "a", "all", "l", "full", "q", "quiet", "no-pager", "no-legend", "plain", "value", "no-block",
    "no-ask-password", "system", "user", "now",
)  # fmt: skip


class _Done(Exception):
    """The command has said what it had to say; the status is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


async def systemctl(argv: Sequence[str], caller: Caller) -> int:
    """Run ``systemctl`` with these arguments; its exit status."""
    try:
        given = options(argv, _WITH_VALUE, _SWITCHES)
    except UnknownOptionError as error:
        caller.err(f"systemctl: unrecognized option '{error}'")
        return 1
    if given.has("user"):
        caller.err("Failed to connect to bus: No medium found")
        return 1
    verb, *names = given.words or ("list-units",)
    handler = _VERBS.get(verb)
    if handler is None:
        caller.err(f"Unknown command verb {verb}.")
        return 1
    units = [unit_named(name) for name in names]
    if verb in _CHANGES and not caller.root:
        return _refused(verb, units, caller)
    try:
        return await handler(units, given, caller)
    except _Done as done:
        return done.status


def _refused(verb: str, units: Sequence[str], caller: Caller) -> int:
    if verb == "daemon-reload":
        caller.err("Failed to reload daemon: Interactive authentication required.")
        return 1
    for name in units:
        what = f"reset failed state of unit {name}" if verb == "reset-failed" else f"{verb} {name}"
        caller.err(f"Failed to {what}: Interactive authentication required.")
        if verb != "reset-failed":
            caller.err(f"See system logs and 'systemctl status {name}' for details.")
    return 1


def _warn_stale(unit: Unit, caller: Caller) -> None:
    if caller.host.manager.stale(unit):
        caller.err(
            f"Warning: The unit file, source configuration file or drop-ins of {unit.name} changed on disk. "
            "Run 'systemctl daemon-reload' to reload units."
        )


async def _start(units: Sequence[str], given: Options, caller: Caller) -> int:
    for name in units:
        try:
            unit = caller.host.manager.find(name)
            if unit is not None:
                _warn_stale(unit, caller)
            caller.host.manager.start(name)
        except NoSuchUnitError:
            caller.err(f"Failed to start {name}: Unit {name} not found.")
            raise _Done(5) from None
        except BadUnitError:
            caller.err(f"Failed to start {name}: Unit {name} has a bad unit file setting.")
            caller.err(f"See system logs and 'systemctl status {name}' for details.")
            raise _Done(1) from None
    caller.host.poke()
    return 0


async def _stop(units: Sequence[str], given: Options, caller: Caller) -> int:
    stopping = []
    for name in units:
        try:
            stopping.append(caller.host.manager.stop(name))
        except NoSuchUnitError:
            caller.err(f"Failed to stop {name}: Unit {name} not loaded.")
            raise _Done(5) from None
    caller.host.poke()
    if not given.has("no-block"):
        await caller.host.until(lambda: all(not unit.main_pid for unit in stopping))
    return 0


async def _restart(units: Sequence[str], given: Options, caller: Caller) -> int:
    for name in units:
        if caller.host.manager.find(name) is None:
            caller.err(f"Failed to restart {name}: Unit {name} not found.")
            return 5
    await _stop(units, Options((), ()), caller)
    return await _start(units, given, caller)


async def _reset_failed(units: Sequence[str], given: Options, caller: Caller) -> int:
    status = 0
    for name in units or [unit.name for unit in caller.host.manager.units]:
        try:
            caller.host.manager.reset_failed(name)
        except NoSuchUnitError:
            caller.err(f"Failed to reset failed state of unit {name}: Unit {name} not loaded.")
            status = 1
    return status


async def _daemon_reload(units: Sequence[str], given: Options, caller: Caller) -> int:
    caller.host.manager.reload()
    caller.host.poke()
    return 0


async def _is_active(units: Sequence[str], given: Options, caller: Caller) -> int:
    status = 0 if units else 1
    for name in units:
        unit = caller.host.manager.find(name)
        state = unit.state if unit else State.INACTIVE
        if not given.has("q", "quiet"):
            caller.out(state)
        if state is not State.ACTIVE:
            status = 3
    return status


async def _show(units: Sequence[str], given: Options, caller: Caller) -> int:
    listed = [word for value in given.values("p", "property") for word in value.split(",") if word]
    bare = given.has("value")
    for number, name in enumerate(units):
        if number:
            caller.out("")
        shown = properties(caller.host, name, caller.host.manager.find(name))
        for key, value in shown.items():
            if not listed or key in listed:
                caller.out(value if bare else f"{key}={value}")
    return 0


async def _cat(units: Sequence[str], given: Options, caller: Caller) -> int:
    for number, name in enumerate(units):
        unit = caller.host.manager.find(name)
        if unit is None:
            caller.err(f"No files found for {name}.")
            return 1
        if number:
            caller.out("")
        if caller.host.manager.stale(unit):
            _cat_warning(name, caller)
        for place, (path, text) in enumerate(_current(unit, caller)):
            caller.write(1, f"{chr(10) if place else ''}# {path}\n{text}".encode())
    return 0


def _current(unit: Unit, caller: Caller) -> Sequence[tuple[str, str]]:
    """The files systemd has loaded, as they read now."""
    root = caller.host.manager.root
    return [
        (path, (root / path[1:]).read_text("utf-8", "replace"))
        for path, _ in unit.files.texts
        if (root / path[1:]).is_file()
    ]


def _cat_warning(name: str, caller: Caller) -> None:
    caller.err(f"# Warning: {name} changed on disk, the version systemd has loaded is outdated.")
    caller.err("# This output shows the current version of the unit's original fragment and drop-in files.")
    caller.err("# If fragments or drop-ins were added or removed, they are not properly reflected in this output.")
    caller.err("# Run 'systemctl daemon-reload' to reload units.")


async def _status(units: Sequence[str], given: Options, caller: Caller) -> int:
    status = 0
    for name in units:
        unit = caller.host.manager.find(name)
        if unit is None:
            caller.err(f"Unit {name} could not be found.")
            status = 4
            continue
        _warn_stale(unit, caller)
        lines = given.values("n", "lines")
        count = int(lines[-1]) if lines and lines[-1].isdigit() else 10
        for line in status_lines(caller.host, unit, count):
            caller.out(line)
        if unit.state is not State.ACTIVE:
            status = max(status, 3)
    return status


async def _list_units(units: Sequence[str], given: Options, caller: Caller) -> int:
    shown = [
        unit
        for unit in caller.host.manager.units
        if (unit.state is not State.INACTIVE or given.has("a", "all") or units)
        and (not units or any(fnmatch(unit.name, pattern) for pattern in units))
    ]
    width = max((len(unit.name) for unit in shown), default=4)
    if not given.has("no-legend"):
        caller.out(f"  {'UNIT':{width}} LOAD   ACTIVE   SUB     DESCRIPTION")
    for unit in shown:
        mark = "" if given.has("plain") else "● " if unit.state is State.FAILED else "  "
        line = f"{mark}{unit.name:{width}} loaded {unit.state:8} {unit.state.sub:7} {unit.files.description}"
        caller.out(line)
    if not given.has("no-legend"):
        caller.out(f"\n{len(shown)} loaded units listed.")
    return 0


async def _kill(units: Sequence[str], given: Options, caller: Caller) -> int:
    for name in units:
        unit = caller.host.manager.find(name)
        if unit is None or unit.run is None or unit.run.phase is Phase.ENDED:
            caller.err(f"Failed to kill unit {name}: Unit {name} not loaded.")
            return 1
        caller.host.machine.kill(unit.run)
    caller.host.poke()
    return 0


_VERBS: dict[str, Callable[[Sequence[str], Options, Caller], Awaitable[int]]] = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "reset-failed": _reset_failed,
    "daemon-reload": _daemon_reload,
    "is-active": _is_active,
    "show": _show,
    "cat": _cat,
    "status": _status,
    "list-units": _list_units,
    "kill": _kill,
}
