"""Alerts in the history: what is written of them, and those that stand there."""

from __future__ import annotations

from pathlib import Path

from console.alerts.alert import Alert
from fleet.findings import Severity
from fleet.history.reading import history
from fleet.history.values import Event, EventKind


def begun(alert: Alert, at: int) -> Event:
    """That an alert began, for the history."""
    return Event(at, EventKind.ALERT, alert.key, f"{alert.severity}: {alert.sentence}")


def ended(alert: Alert, at: int) -> Event:
    """That it is over."""
    return Event(at, EventKind.ALERT, alert.key, None)


def standing_alerts(path: Path, fleet: str, now: float) -> tuple[Alert, ...]:
    """The alerts that are recorded in that file and not over, the worst first. Raises GpudeckError."""
    with history(path) as found:
        events = [event for event in found.events(0, now + 1) if event.kind is EventKind.ALERT]
    newest = {event.subject: event for event in events}
    alerts = [_alert(fleet, event) for event in newest.values() if event.value is not None]
    return tuple(sorted(alerts, key=lambda alert: (alert.severity.rank, alert.began, alert.key)))


def _alert(fleet: str, event: Event) -> Alert:
    rule, _, subject = event.subject.partition(" ")
    word, _, sentence = (event.value or "").partition(": ")
    severity = Severity(word) if word in tuple(Severity) else Severity.WARNING
    return Alert(fleet, rule, subject, severity, sentence, event.at)
