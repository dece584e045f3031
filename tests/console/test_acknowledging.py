"""`:ack` in the console: nobody is told of an alert that stands until the time that was said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from piloting import command
from recorded_demo import RecordedSession

from console.alerts.acknowledged import Acknowledgements
from console.alerts.live import LiveAlerts
from console.alerts.until import until
from console.app import GpudeckApp
from console.deck_commands import suggestions
from console.fleets import acknowledgements_path
from console.screens.commanding import CommandingScreen
from fleet.errors import UsageError
from fleet.inventory.alerts import AlertRule, Alerts

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
HOT = AlertRule("hot", quantity="temperature_c", above=0, seconds=0)


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("text", "when"),
    [("2h", (20, 14, 0)), ("30min", (20, 12, 30)), ("18:00", (20, 18, 0)), ("8:15", (21, 8, 15))],
)
def test_until_is_a_span_or_the_next_time_of_day(text: str, when: tuple[int, int, int]) -> None:
    found = datetime.fromtimestamp(until(text, NOON), UTC)
    assert (found.day, found.hour, found.minute) == when


def test_until_anything_else_says_how_it_is_written() -> None:
    with pytest.raises(UsageError, match="18:00"):
        until("later", NOON)


@pytest.fixture
def alerting(console_app: GpudeckApp, session: RecordedSession) -> Iterator[GpudeckApp]:
    """A console on which every GPU is too hot."""
    alerts = Alerts(rules=(HOT,))
    live = LiveAlerts(session, alerts, lambda _: None, environment={}, time_of_day=lambda: "14:02")
    live.look()
    console_app._alerts = live
    yield console_app
    live.close()


async def test_an_alert_is_acknowledged_until_a_time(alerting: GpudeckApp, session: RecordedSession) -> None:
    assert session.state_folder is not None
    known = Acknowledgements(acknowledgements_path(session.inventory, session.state_folder))
    async with alerting.run_test(size=(160, 48)) as pilot:
        screen = alerting.screen
        assert isinstance(screen, CommandingScreen)
        assert "ack hot gpu01/3" in suggestions(screen)
        assert "hot gpu01/3: nobody is told until" in await command(pilot, "ack hot gpu01/3 2h")
        assert "hot gpu01/4: nobody is told until" in await command(pilot, "ack hot gpu01/4")
    left = {key: (each.until - time.time()) / 3600 for key, each in known.all(time.time()).items()}
    assert left == pytest.approx({"hot gpu01/3": 2, "hot gpu01/4": 1}, abs=0.1)


@pytest.mark.parametrize(
    ("text", "words"),
    [("ack cold gpu01/3 2h", "No alert 'cold gpu01/3' stands."), ("ack hot gpu01/3 later", "'later' is no time")],
)
async def test_what_cannot_be_acknowledged_says_why(alerting: GpudeckApp, text: str, words: str) -> None:
    async with alerting.run_test(size=(160, 48)) as pilot:
        assert words in await command(pilot, text)


async def test_a_fleet_without_alerts_says_so(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert "The fleet file has no alerts." in await command(pilot, "ack hot gpu01/3")
