"""The service manager of a simulated host: units read when it is told to, started, stopped and watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fleet.model import Version
from fleet.simulator.journal import NOTICE, WARNING
from fleet.simulator.physics import KILLED, Machine, Phase, Run
from fleet.simulator.unit_files import FOLDER, UnitFiles, read_texts, read_unit

_VERSION = Version("0.9.0")
"""Of an engine whose unit the fleet file does not know."""


class State(StrEnum):
    """systemd's ActiveState."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    FAILED = "failed"

    @property
    def sub(self) -> str:
        """systemd's SubState of a simple service."""
        return {"inactive": "dead", "active": "running", "deactivating": "stop-sigterm"}.get(self, "failed")


@dataclass(slots=True)
class Unit:
    """A loaded unit."""

    files: UnitFiles
    state: State = State.INACTIVE
    since: float = 0.0
    """Unix seconds of the last change of state; 0 before any."""
    run: Run | None = None
    """Its newest process."""
    result: str = "success"

    @property
    def name(self) -> str:
        """``NAME.service``."""
        return self.files.name

    @property
    def main_pid(self) -> int:
        """Its main process; 0 where none runs."""
        return self.run.pid if self.run and self.run.phase is not Phase.ENDED else 0


class NoSuchUnitError(Exception):
    """There is no file of that name."""


class BadUnitError(Exception):
    """The unit's files do not say what to run."""


class Manager:
    """What PID 1 knows. Files are read at `reload`, or when a unit is first asked for, and not otherwise."""

    def __init__(self, machine: Machine, root: Path, versions: Mapping[str, Version]) -> None:
        """Watch a machine's processes.

        Args:
            machine: Where services run.
            root: The host's root folder.
            versions: The version of the engine each unit runs.
        """
        self.machine = machine
        self.root = root
        self._versions = versions
        self._units: dict[str, Unit] = {}
        machine.ended = self._ended
        self.reload()

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every unit with a file, by name."""
        return tuple(self._units[name] for name in sorted(self._units))

    def reload(self) -> None:
        """Read all unit files again; what runs goes on as it was started."""
        names = {path.name for path in (self.root / FOLDER[1:]).glob("*.service") if path.is_file()}
        for name in {*names, *self._units}:
            files = read_unit(self.root, name)
            known = self._units.get(name)
            if files is None and known is not None and not known.main_pid:
                del self._units[name]
            elif files is not None and known is not None:
                known.files = files
            elif files is not None:
                self._units[name] = Unit(files)

    def find(self, name: str) -> Unit | None:
        """A unit by name; None where there is none."""
        if name not in self._units:
            files = read_unit(self.root, name)
            if files is not None:
                self._units[name] = Unit(files)
        return self._units.get(name)

    def stale(self, unit: Unit) -> bool:
        """Whether its files changed after they were read."""
        return read_texts(self.root, unit.name) != unit.files.texts

    def start(self, name: str) -> Unit:
        """Start a unit unless it runs already. Raises NoSuchUnitError and BadUnitError."""
        unit = self._known(name)
        if unit.main_pid:
            return unit
        if not unit.files.argv:
            raise BadUnitError(name)
        version = self._versions.get(name, _VERSION)
        unit.run = self.machine.start(name, unit.files.argv, unit.files.environment, version)
        unit.result = "success"
        self._enter(unit, State.ACTIVE)
        self._note(unit, f"Started {name} - {unit.files.description}.")
        return unit

    def stop(self, name: str) -> Unit:
        """Ask a unit to stop; it is inactive once its process has ended. Raises NoSuchUnitError."""
        unit = self._known(name)
        if unit.run is not None and unit.state is State.ACTIVE:
            self._enter(unit, State.DEACTIVATING)
            self._note(unit, f"Stopping {name} - {unit.files.description}...")
            self.machine.stop(unit.run)
        return unit

    def reset_failed(self, name: str) -> None:
        """Forget that a unit failed. Raises NoSuchUnitError."""
        unit = self._known(name)
        if unit.state is State.FAILED:
            unit.result = "success"
            self._enter(unit, State.INACTIVE)

    def _known(self, name: str) -> Unit:
        unit = self.find(name)
        if unit is None:
            raise NoSuchUnitError(name)
        return unit

    def _ended(self, run: Run) -> None:
        unit = self._units.get(run.unit)
        if unit is None or unit.run is not run:
            return
        if unit.state is State.DEACTIVATING or run.status == 0:
            self._note(unit, f"{unit.name}: Deactivated successfully.")
            self._note(unit, f"Stopped {unit.name} - {unit.files.description}.")
            self._enter(unit, State.INACTIVE)
            return
        unit.result = "signal" if run.status == KILLED else "exit-code"
        word = "EXEC" if run.status == 203 else "INVALIDARGUMENT" if run.status == 2 else "FAILURE"
        how = "killed, status=9/KILL" if run.status == KILLED else f"exited, status={run.status}/{word}"
        self._note(unit, f"{unit.name}: Main process exited, code={how}", NOTICE)
        self._note(unit, f"{unit.name}: Failed with result '{unit.result}'.", WARNING)
        self._enter(unit, State.FAILED)

    def _enter(self, unit: Unit, state: State) -> None:
        unit.state, unit.since = state, self.machine.now

    def _note(self, unit: Unit, message: str, priority: int = 6) -> None:
        self.machine.journal.write(self.machine.now, unit.name, "systemd", 1, message, priority)
