"""A console over a recorded moment of the seeded demo: no host, no clock, no chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from recorded_demo import READ_AT, RecordedSession, recorded_snapshot
from rewound import NOON, Recorded, failed, used

from console.app import GpudeckApp
from console.wall import WallApp
from fleet.inventory.changes import Move, apply
from fleet.inventory.loading import load
from fleet.model import Place

DEMO_FLEET = Path(__file__).parents[2] / "fleet" / "simulator" / "fleet.yaml"
TRUECOLOR = {"COLORTERM": "truecolor"}
CLOCK = "14:02"


@pytest.fixture
def session(tmp_path: Path) -> RecordedSession:
    return RecordedSession(load(DEMO_FLEET), tmp_path)


@pytest.fixture
def console_app(session: RecordedSession) -> GpudeckApp:
    return GpudeckApp(session, live=False, time_of_day=lambda: CLOCK, environment=TRUECOLOR)


@pytest.fixture
def viewer(tmp_path: Path) -> RecordedSession:
    """A session that has nothing to operate with."""
    return RecordedSession(load(DEMO_FLEET), tmp_path, operating=None)


@pytest.fixture
def viewer_app(viewer: RecordedSession) -> GpudeckApp:
    return GpudeckApp(viewer, live=False, time_of_day=lambda: CLOCK, environment=TRUECOLOR)


@pytest.fixture
def wall_app(session: RecordedSession) -> WallApp:
    app = WallApp(session, live=False, time_of_day=lambda: CLOCK, environment=TRUECOLOR)
    app.monotonic = lambda: 0.0
    return app


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def past(session: RecordedSession, console_app: GpudeckApp, utc: None) -> Callable[[int], None]:
    """An hour ago a model elsewhere; then, six minutes ago, one fails for a minute; a reading every five seconds."""
    recorded = Recorded(session)
    snapshot = recorded_snapshot()
    today = session.inventory
    session.adopt(apply(today, [Move("kb-whisper-large", Place("gpu01", (7,)))]))
    recorded.publish(used(snapshot, 55), NOON - 3600)
    session.adopt(today)
    for ago in range(400, 0, -5):
        moment = used(snapshot, 100 + ago // 5)
        recorded.publish(failed(moment, "devstral-small") if 300 < ago <= 360 else moment, NOON - ago)
    recorded.close()
    session.board.publish(replace(snapshot, read_at=READ_AT + 1))
    console_app.rewind.clock = lambda: NOON

    def at(now: int) -> None:
        console_app.rewind.clock = lambda: now

    return at
