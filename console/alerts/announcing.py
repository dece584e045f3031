"""Which alerts are told, and when: not what is acknowledged, and in quiet hours only errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from console.alerts.alert import Alert
from fleet.findings import Severity


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told at one moment."""

    fired: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    """Only those that were told of."""


class Announcer:
    """Remembers what was told of the alerts that stand."""

    def __init__(self) -> None:
        self._told: dict[str, bool] = {}
        """By id: whether it still counts as told. It does not once it was acknowledged: when that runs out, it is
        told again."""

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Others may have been told of these: they are told again if they still stand, and told when they end."""
        for alert in alerts:
            self._told.setdefault(alert.id, False)

    def news(
        self,
        standing: Sequence[Alert],
        over: Iterable[Alert],
        *,
        is_acknowledged: Callable[[Alert], bool],
        quiet: bool,
    ) -> News:
        """What to tell now.

        Args:
            standing: The alerts that stand.
            over: Those that have just ended.
            is_acknowledged: Whether somebody knows of an alert.
            quiet: Whether these are quiet hours. What was held back is told when they end, if it still stands.
        """
        fired = []
        for alert in standing:
            if is_acknowledged(alert):
                if alert.id in self._told:
                    self._told[alert.id] = False
            elif not self._told.get(alert.id) and (not quiet or alert.severity is Severity.ERROR):
                self._told[alert.id] = True
                fired.append(alert)
        resolved = tuple(alert for alert in over if self._told.pop(alert.id, None) is not None)
        return News(tuple(fired), resolved)
