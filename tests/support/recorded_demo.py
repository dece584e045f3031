"""A recorded moment of the seeded demo, through the real parser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from console.operating import Operating
from console.session import Session
from fleet.commands import Answer, Read
from fleet.inventory import Inventory
from fleet.readings import EngineReading, HostReading, HostSnapshot, Link, ServiceReading, ServiceWord
from fleet.telemetry.frames import FrameReader
from fleet.telemetry.join import join

RECORDED = Path(__file__).parents[1] / "console" / "recorded"
READ_AT = 1000.0
OPERATING = Operating()


def recorded_reading() -> HostReading:
    """The probe's frame, through the real parser."""
    reader = FrameReader()
    for line in (RECORDED / "frame.txt").read_text(encoding="utf-8").splitlines():
        if frame := reader.feed(line):
            return join(frame)
    raise AssertionError("the recording holds no whole frame")


def recorded_readings() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / "readings.json").read_text(encoding="utf-8"))
    return found


def recorded_snapshot(link: Link = Link.LIVE, reason: str = "") -> HostSnapshot:
    """The demo's host at the recorded moment."""
    readings = recorded_readings()
    services = {
        name: ServiceReading(**{**service, "word": ServiceWord(service["word"])})
        for name, service in readings["services"].items()
    }
    engines = {name: EngineReading(**engine) for name, engine in readings["engines"].items()}
    return HostSnapshot(
        "gpu01",
        link,
        reason,
        READ_AT,
        recorded_reading(),
        services=MappingProxyType(services),
        engines=MappingProxyType(engines),
    )


LOG = ("Started engine.", "INFO: Application startup complete.")


class RecordedUnits:
    """Answers what a plan asks of a host: the unit files as they stood, and the log of every unit."""

    def __init__(self, log: Sequence[str] = LOG) -> None:
        self._log = log

    async def read(self, command: Read, timeout: float = 10.0) -> Answer:
        if "journalctl" in command.words:
            return Answer(0, "".join(f"{line}\n" for line in self._log), "")
        unit = command.words[-1]
        texts = [text for text in recorded_readings()["units"].values() if f"/{unit}\n" in text]
        return Answer(0, texts[0], "") if texts else Answer(1, "", f"No files found for {unit}.")

    @asynccontextmanager
    async def follow(self, command: Read) -> AsyncIterator[AsyncIterator[str]]:
        """The log up to its end."""

        async def lines() -> AsyncIterator[str]:
            number = int(command.words[command.words.index("-n") + 1])
            for line in self._log[-number:]:
                yield line

        yield lines()


class RecordedSession(Session):
    """A session whose only host is the recording; an operator's, unless told otherwise."""

    def __init__(self, inventory: Inventory, state_folder: Path, *, operating: Operating | None = OPERATING) -> None:
        super().__init__(inventory, operating=operating, state_folder=state_folder)
        self.log: Sequence[str] = LOG
        self.board.publish(recorded_snapshot())

    def probe(self, host: str) -> Any:
        return RecordedUnits(self.log)

    def state(self, now: float | None = None) -> Any:
        return super().state(READ_AT + 0.5 if now is None else now)
