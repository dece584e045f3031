"""What ``systemctl show`` and ``systemctl status`` print of a unit (systemd 252)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from fleet.services.unit_syntax import quoted
from fleet.simulator.journal import FORMATS
from fleet.simulator.physics import Phase
from fleet.simulator.running import RunningMachine
from fleet.simulator.systemd import State, Unit
from fleet.units import duration


def properties(host: RunningMachine, name: str, unit: Unit | None) -> dict[str, str]:
    """The properties of a unit in systemd's own order; of one that has no file, those it has all the same."""
    if unit is None:
        return {
            "Type": "simple",
            "Restart": "no",
            "Result": "success",
            "NRestarts": "0",
            "MainPID": "0",
            "ExecMainStatus": "0",
            "Id": name,
            "Names": name,
            "Description": name,
            "LoadState": "not-found",
            "ActiveState": "inactive",
            "SubState": "dead",
            "NeedDaemonReload": "no",
            "CanStart": "no",
        }
    run = unit.run
    status = str(run.status) if run and run.phase is Phase.ENDED else "0"
    return {
        "Type": "simple",
        "Restart": "no",
        "Result": unit.result,
        "NRestarts": "0",
        "MainPID": str(unit.main_pid),
        "ExecMainStartTimestamp": _stamp(run.processes[0].started if run else 0),
        "ExecMainPID": str(run.pid if run else 0),
        "ExecMainCode": "1" if run and run.phase is Phase.ENDED else "0",
        "ExecMainStatus": status,
        "ExecStart": _exec_start(unit),
        "ControlGroup": f"/system.slice/{name}" if unit.main_pid else "",
        "Environment": " ".join(
            quoted(f"{key}={value}", expands=False) for key, value in unit.files.environment.items()
        ),
        "Id": name,
        "Names": name,
        "Description": unit.files.description,
        "LoadState": "loaded" if unit.files.argv else "bad-setting",
        "ActiveState": unit.state,
        "SubState": unit.state.sub,
        "FragmentPath": unit.files.fragment,
        "DropInPaths": " ".join(unit.files.drop_ins),
        "UnitFileState": "enabled",
        "StateChangeTimestamp": _stamp(unit.since),
        "ActiveEnterTimestamp": _stamp(run.processes[0].started if run else 0),
        "InvocationID": run.invocation if run else "",
        "NeedDaemonReload": "yes" if host.manager.stale(unit) else "no",
        "CanStart": "yes",
    }


def status_lines(host: RunningMachine, unit: Unit, lines: int) -> Iterator[str]:
    """What ``systemctl status`` prints, the newest log lines last."""
    mark = {State.ACTIVE: "●", State.FAILED: "×"}.get(unit.state, "○")
    yield f"{mark} {unit.name} - {unit.files.description}"
    yield f"     Loaded: loaded ({unit.files.fragment}; enabled; preset: enabled)"
    if unit.files.drop_ins:
        yield f"    Drop-In: {unit.files.drop_ins[0].rpartition('/')[0]}"
        for path in unit.files.drop_ins:
            branch = "└─" if path == unit.files.drop_ins[-1] else "├─"
            yield f"             {branch}{path.rpartition('/')[2]}"
    yield f"     Active: {_active(host, unit)}"
    if unit.run is not None:
        living = unit.run.phase is not Phase.ENDED
        name = unit.run.processes[0].name
        ended = "" if living else f" (code=exited, status={unit.run.status})"
        yield f"   Main PID: {unit.run.pid}{ended or f' ({name})'}"
        if living:
            yield from _processes(unit)
    entries = list(host.machine.journal.of(frozenset([unit.name])))[-lines:] if lines else []
    if entries:
        yield ""
        for entry in entries:
            yield FORMATS["short"](entry, host.machine.name)


def _processes(unit: Unit) -> Iterator[str]:
    if unit.run is None:
        return
    yield f"     CGroup: /system.slice/{unit.name}"
    for process in unit.run.processes:
        branch = "└─" if process is unit.run.processes[-1] else "├─"
        yield f"             {branch}{process.pid} {shlex.join(process.command_line)}"


def _active(host: RunningMachine, unit: Unit) -> str:
    result = f" (Result: {unit.result})" if unit.state is State.FAILED else f" ({unit.state.sub})"
    if not unit.since:
        return f"{unit.state}{result}"
    ago = duration(host.machine.now - unit.since)
    return f"{unit.state}{result} since {_stamp(unit.since)}; {ago} ago"


def _stamp(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%a %Y-%m-%d %H:%M:%S} UTC" if at else ""


def _exec_start(unit: Unit) -> str:
    if not unit.files.argv:
        return ""
    argv = " ".join(unit.files.argv)
    return (
        f"{{ path={unit.files.argv[0]} ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] ; "
        f"stop_time=[n/a] ; pid={unit.main_pid} ; code=(null) ; status=0/0 }}"
    )
