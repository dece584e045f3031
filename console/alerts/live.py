"""The alerts of a session while it runs: looked for every few seconds, recorded, and told by every way there is."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from console.alerts.acknowledged import Acknowledgement, Acknowledgements
from console.alerts.alert import Alarms, Alert
from console.alerts.announcing import Announcer, News
from console.alerts.recorded import begun, ended
from console.alerts.terminal import notification
from console.alerts.webhook import Webhook, document
from console.fleets import acknowledgements_path, alerts_lock_path, state_folder
from console.session import Session
from fleet.errors import UsageError
from fleet.history.values import Event
from fleet.inventory.alerts import Alerts
from fleet.text import clean

LOOK_SECONDS = 5.0


class LiveAlerts:
    """Looks at a session's fleet; tells this terminal, the history and a webhook.

    Every console and wallboard of a fleet rings at its own terminal. Of all that one user has open on this machine,
    only one records alerts and calls the webhook; when it ends, another takes over.
    """

    def __init__(
        self,
        session: Session,
        alerts: Alerts,
        record: Callable[[Event], None],
        *,
        environment: Mapping[str, str] = os.environ,
        time_of_day: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Over a session; ``clock`` gives Unix seconds, ``time_of_day`` ``23:05``."""
        folder = session.state_folder or state_folder()
        self._session = session
        self._alerts = alerts
        self._record = record
        self._environment = environment
        self._time_of_day = time_of_day
        self._monotonic = monotonic
        self._clock = clock
        self._alarms = Alarms(session.inventory.fleet, alerts.rules)
        self._announcer = Announcer()
        self._acknowledgements = Acknowledgements(acknowledgements_path(session.inventory, folder))
        self._turn = _Turn(alerts_lock_path(session.inventory, folder))
        self._recorded: set[str] = set()
        self.webhook = Webhook(alerts, environment=environment) if alerts.has_webhook else None

    @property
    def standing(self) -> tuple[Alert, ...]:
        """The alerts that stand, the worst first."""
        return self._alarms.standing

    @property
    def words(self) -> str:
        """What the operator should know of the telling, as a sentence; empty where all is well."""
        return self.webhook.trouble if self.webhook else ""

    def resume(self, alerts: Sequence[Alert]) -> None:
        """Go on from what was recorded when nobody was looking."""
        self._alarms.resume(alerts)
        self._announcer.resume(alerts)

    def look(self) -> str:
        """Look once; gives back what to write to this terminal for it to ring and notify, mostly nothing."""
        at = self._clock()
        over = self._alarms.look(self._session.state(), self._monotonic(), at)
        acknowledged = self._acknowledgements.all(at)
        news = self._announcer.news(
            self.standing,
            over,
            is_acknowledged=lambda alert: alert.key in acknowledged,
            quiet=self._alerts.quiet is not None and self._alerts.quiet.holds(self._time_of_day()),
        )
        if self._turn.is_ours():
            self._note(over, int(at))
            self._call(news, at)
        return self._sequence(news)

    def acknowledge(self, key: str, until: int, by: str) -> None:
        """Tell nobody of an alert that stands until a time, Unix seconds. Raises GpudeckError."""
        standing = [alert.key for alert in self.standing]
        if key not in standing:
            raise UsageError(f"No alert {key!r} stands.", f"There are {', '.join(standing)}." if standing else "")
        self._acknowledgements.acknowledge(key, Acknowledgement(until, clean(by)), self._clock())

    def close(self) -> None:
        """Let another process take over."""
        self._turn.give_up()

    def _note(self, over: tuple[Alert, ...], at: int) -> None:
        for alert in self.standing:
            if alert.id not in self._recorded:
                self._recorded.add(alert.id)
                self._record(begun(alert, at))
        for alert in over:
            self._recorded.discard(alert.id)
            self._record(ended(alert, at))

    def _call(self, news: News, at: float) -> None:
        if self.webhook:
            for event, alerts in (("fired", news.fired), ("resolved", news.resolved)):
                for alert in alerts:
                    self.webhook.send(document(alert, event, at))

    def _sequence(self, news: News) -> str:
        if not news.fired:
            return ""
        bell = "\x07" if self._alerts.bell else ""
        return bell + (notification(news.fired, self._environment) if self._alerts.desktop else "")


class _Turn:
    """A lock that one process of this user holds at a time; the kernel takes it back from one that is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def is_ours(self) -> bool:
        """Whether we hold it, or could take it just now. Where no file can be made, everybody does."""
        if self._file is not None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._path.open("wb")
        except OSError:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def give_up(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None
