"""Which host a wallboard shows: each for a while, as long as all is well; the worst one, as long as it is not."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.state import FleetState
from widgets.wall_view import WallAlert, hosts_worst_first, trouble

DWELL_SECONDS = 20.0


class Turning:
    """Turns over the hosts of a fleet by the caller's clock."""

    def __init__(self) -> None:
        self._shown = ""
        self._since = 0.0

    def host(self, state: FleetState, now: float, alerts: Sequence[WallAlert] = ()) -> str:
        """The host to show at that time, in seconds of any clock that does not go back."""
        names = [host.name for host in state.hosts]
        if trouble(state, alerts).holds:
            chosen = hosts_worst_first(state)[0].name
        elif self._shown not in names:
            chosen = names[0]
        elif now - self._since >= DWELL_SECONDS:
            chosen = names[(names.index(self._shown) + 1) % len(names)]
        else:
            return self._shown
        self._shown, self._since = chosen, now
        return chosen
