"""A session with a past."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from recorded_demo import READ_AT, RecordedSession

from console.history.recording import Recorder, path_of
from fleet.history.writer import Writer
from fleet.readings import HostSnapshot, ServiceReading, ServiceWord
from fleet.units import GiB

NOON = 1_800_000_000
"""2027-01-15 08:00 UTC."""


class Recorded:
    """A session with a past: what is published at a time is recorded as of then."""

    def __init__(self, session: RecordedSession) -> None:
        self.session = session
        self.now = NOON
        self._writer = Writer(path_of(session), clock=lambda: self.now)
        self._recorder = Recorder(session, self._writer, clock=lambda: self.now)

    def publish(self, snapshot: HostSnapshot, at: int) -> None:
        self.now = at
        self.session.board.publish(replace(snapshot, read_at=READ_AT + at - NOON))
        self._writer.flush()

    def close(self) -> None:
        self._recorder.close()
        self._writer.close()


def used(snapshot: HostSnapshot, gib: float) -> HostSnapshot:
    """The same with that much memory in use on the first GPU."""
    assert snapshot.reading is not None
    first, *others = snapshot.reading.gpus
    gpus = (replace(first, used_bytes=round(gib * GiB), temperature_c=71.0), *others)
    return replace(snapshot, reading=replace(snapshot.reading, gpus=gpus))


def failed(snapshot: HostSnapshot, model: str) -> HostSnapshot:
    services = {**snapshot.services, model: ServiceReading(ServiceWord.FAILED)}
    return replace(snapshot, services=MappingProxyType(services))
