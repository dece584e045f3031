"""One autopilot over one session: looks, proposes, and acts where it is let."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from console.autopilot.records import Records
from console.changing import follow, open_journal, operator_name, plan_changes, rollout_of
from console.history.loads import load_seconds
from console.session import Session
from fleet.autopilot.limits import Acts, Done
from fleet.autopilot.proposing import Act, Circumstances, Proposal, propose
from fleet.autopilot.situation import Situation
from fleet.autopilot.watching import Watch
from fleet.errors import GpudeckError
from fleet.findings import Severity, Tense
from fleet.inventory.autopilot import Autopilot
from fleet.inventory.changes import Disable
from fleet.planning.cordons import cordoned
from fleet.planning.plan import Plan
from fleet.planning.timing import Timing
from fleet.planning.window import OUTSIDE_WINDOW


class DeclinedError(GpudeckError):
    """An act that is not begun, though it was proposed."""

    title = "The autopilot leaves it"


class Pilot:
    """What it has seen is lost with it; what it has done is in its records."""

    def __init__(self, session: Session, records: Records, clock: Callable[[], float] = time.time) -> None:
        """Over a session that is watched by whoever runs it."""
        self._session = session
        self._records = records
        self._clock = clock
        self._watch = Watch()

    def look(self) -> Proposal:
        """Take note of the fleet as it is now, and say what should be done."""
        session, at = self._session, self._clock()
        state = session.state()
        autopilot = session.inventory.autopilot or Autopilot()
        self._watch.see(state, autopilot.roles, at)
        circumstances = Circumstances(
            totals=session.totals,
            starts=session.starts,
            cordoned=cordoned(session.board.snapshots),
            timing=Timing(loads=self._loads()),
        )
        return propose(Situation(session.inventory, state, self._watch, at), circumstances, self._acts())

    async def act(self, act: Act, on_event: Callable[[str], None]) -> Done:
        """Do it as an operator would: planned, checked, locked, gated, rolled back where it fails.

        Raises DeclinedError, and GpudeckError, where it is not begun; it is remembered as failed, and rests.
        """
        try:
            plan = await plan_changes(self._session, act.changes)
            check_plan(plan, self._records.halted)
        except GpudeckError:
            self._remember(act, well=False)
            raise
        done = self._remember(act, well=await self._carry_out(plan, act, on_event))
        return done
