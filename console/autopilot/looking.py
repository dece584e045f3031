"""Looking at a session's fleet as its autopilot does: what should be done now. Nothing here can do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from console.autopilot.records import Records
from console.changing.planning import recorded_starts
from console.session import Session
from fleet.autopilot.placing import Circumstances
from fleet.autopilot.proposing import Proposal, propose
from fleet.autopilot.situation import Situation
from fleet.autopilot.watching import Watch
from fleet.inventory.autopilot import Autopilot
from fleet.planning.cordons import cordoned
from fleet.planning.load_times import LoadTimes, load_times

LOOK_SECONDS = 15.0
"""How often the fleet is looked at."""
_LOADS_SECONDS = 600.0
"""How often what was recorded of starts is read again."""


class Lookout:
    """What it has seen is lost with it; what was done is in the records."""

    def __init__(self, session: Session, records: Records, clock: Callable[[], float] = time.time) -> None:
        """Over a session that is watched by whoever runs it; ``clock`` gives Unix seconds."""
        self._session = session
        self._records = records
        self._clock = clock
        self._watch = Watch()
        self._loads, self._loads_read = LoadTimes(), -_LOADS_SECONDS

    async def look(self) -> Proposal:
        """Take note of the fleet as it is now, and say what should be done; that is worked out in another thread."""
        session, at = self._session, self._clock()
        state = session.state()
        autopilot = session.inventory.autopilot or Autopilot()
        self._watch.see(state, autopilot.roles, at)
        now = Situation(session.inventory, state, self._watch, at)
        known = session.totals, session.starts, cordoned(session.board.snapshots)
        return await asyncio.to_thread(self._proposal, now, Circumstances(*known))

    def _proposal(self, now: Situation, circumstances: Circumstances) -> Proposal:
        if now.at - self._loads_read >= _LOADS_SECONDS:
            self._loads, self._loads_read = load_times(recorded_starts(self._session)), now.at
        return propose(now, replace(circumstances, loads=self._loads), self._records.acts())
