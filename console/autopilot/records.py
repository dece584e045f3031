"""What the autopilot remembers of a fleet, and the switch that halts it: files in the user's state folder."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from fleet.autopilot.limits import Acts, Attempt
from fleet.errors import GpudeckError
from fleet.files import replace
from fleet.text import clean

SCHEMA = "gpudeck/autopilot-acts/1"


class Records:
    """One fleet's records. A switch that cannot be read halts."""

    def __init__(self, stem: Path) -> None:
        """In files that begin so."""
        self._acts = stem.with_name(f"{stem.name}.autopilot")
        self._switch = stem.with_name(f"{stem.name}.autopilot-halted")

    def acts(self) -> Acts:
        """What was tried that still counts; nothing where there is no record of any."""
        try:
            document = json.loads(self._acts.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Acts()
        return Acts.of(document.get("acts") if isinstance(document, dict) else None)

    def add(self, attempt: Attempt, instead_of: Attempt | None = None) -> None:
        """Remember one more, or how one that was begun has ended. Raises GpudeckError."""
        acts = self.acts()
        acts.add(attempt, instead_of)
        self._write(self._acts, json.dumps({"schema": SCHEMA, "acts": acts.document()}, ensure_ascii=False))

    def halt(self, who: str, why: str) -> None:
        """From now on nothing is done, by whichever autopilot of this user's, until `release`. Raises GpudeckError."""
        self._write(self._switch, clean(f"{who}: {why}" if why else who, 200))

    def release(self) -> bool:
        """Let it act again; whether it was halted. Raises GpudeckError."""
        try:
            self._switch.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise GpudeckError(f"{self._switch} cannot be removed: {error.strerror}.") from None
        return True

    @property
    def halted(self) -> str:
        """Who halted it, and why; empty where nobody has."""
        try:
            return clean(self._switch.read_text(encoding="utf-8", errors="replace"), 200) or "somebody"
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self._switch} cannot be read: {error.strerror}"

    @staticmethod
    def _write(path: Path, text: str) -> None:
        try:
            with suppress(FileExistsError):
                path.parent.mkdir(parents=True, mode=0o700)
            replace(path, text)
        except OSError as error:
            raise GpudeckError(f"{path} cannot be written: {error.strerror}.") from None
