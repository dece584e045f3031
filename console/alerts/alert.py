"""Alerts: what has been wrong for long enough to tell somebody, until it has been right for long enough."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from console.alerts.conditions import Held, conditions
from fleet.findings import Severity
from fleet.inventory.alerts import AlertRule
from fleet.state import FleetState


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule that holds of one subject."""

    fleet: str
    rule: str
    subject: str
    """The model, GPU or host."""
    severity: Severity
    sentence: str
    began: int
    """Unix seconds since when it is so."""

    @property
    def key(self) -> str:
        """What it is acknowledged and recorded by; the same when it comes back."""
        return f"{self.rule} {self.subject}"

    @property
    def text(self) -> str:
        """Subject and sentence in one line."""
        return f"{self.subject}: {self.sentence}"

    @property
    def id(self) -> str:
        """What it is sent and taken back under, whoever does either; the same when it comes back."""
        return hashlib.sha256(f"{self.fleet}\n{self.key}".encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Watch:
    held_since: float | None = None
    clear_since: float | None = None
    alert: Alert | None = None


class Alarms:
    """The alerts that stand, by a caller's clock. Holds only what is held against somebody at the moment."""

    def __init__(self, fleet: str, rules: Iterable[AlertRule]) -> None:
        self._fleet = fleet
        self._rules = tuple(rules)
        self._names = {rule.name for rule in self._rules}
        self._watched: dict[tuple[str, str], _Watch] = {}

    @property
    def standing(self) -> tuple[Alert, ...]:
        """Those that stand, the worst first, then the oldest."""
        alerts = [watch.alert for watch in self._watched.values() if watch.alert and watch.held_since is not None]
        return tuple(sorted(alerts, key=lambda alert: (alert.severity.rank, alert.began, alert.key)))

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Take over what stood when somebody else looked last: it stands at once if it still holds, or is over."""
        for alert in alerts:
            self._watched.setdefault((alert.rule, alert.subject), _Watch(alert=alert))

    def look(self, state: FleetState, now: float, at: float) -> tuple[Alert, ...]:
        """Take in the fleet as it is; gives back the alerts that are over.

        Args:
            state: The fleet.
            now: Monotonic seconds, by which durations are reckoned.
            at: Unix seconds.
        """
        over = [watch.alert for (name, _), watch in self._watched.items() if name not in self._names and watch.alert]
        self._watched = {key: watch for key, watch in self._watched.items() if key[0] in self._names}
        for rule in self._rules:
            found = conditions(rule, state)
            for subject in {*found, *(subject for name, subject in self._watched if name == rule.name)}:
                key = rule.name, subject
                watch = self._watched.setdefault(key, _Watch())
                ended = self._follow(watch, rule, subject, found.get(subject, Held(False)), now, at)
                over += [ended] if ended else []
                if watch.alert is None and watch.held_since is None:
                    del self._watched[key]
        return tuple(over)

    def _follow(self, watch: _Watch, rule: AlertRule, subject: str, held: Held, now: float, at: float) -> Alert | None:
        """Take one condition in; the alert, where it is over."""
        if not held.holds and watch.alert is None:
            watch.held_since = None
        if held.holds is not False:
            watch.clear_since = None
        if held.holds:
            watch.held_since = now if watch.held_since is None else watch.held_since
            lasted = now - watch.held_since
            if watch.alert is not None:
                watch.alert = replace(watch.alert, severity=held.severity, sentence=held.sentence)
            elif lasted >= rule.seconds:
                began = round(at - lasted)
                watch.alert = Alert(self._fleet, rule.name, subject, held.severity, held.sentence, began)
        elif held.holds is False and watch.alert is not None:
            watch.clear_since = now if watch.clear_since is None else watch.clear_since
            if now - watch.clear_since >= rule.clear_seconds:
                ended, watch.alert, watch.held_since = watch.alert, None, None
                return ended
        return None
