"""A console over a recorded moment of the seeded demo: no host, no clock, no chance."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_demo import RecordedSession

from console.app import GpudeckApp
from console.wall import WallApp
from fleet.inventory.loading import load

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
