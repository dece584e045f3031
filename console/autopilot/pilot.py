"""One autopilot over one session: looks, proposes, and acts where it is let."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from console.autopilot.records import Records
from console.changing.carrying_out import (
    follow,
    follow_what_stands,
    open_journal,
    operator_name,
    plan_changes,
    recorded_starts,
    rollout_of,
)
from console.changing.plan_text import confirmations
from console.session import Session
from fleet.autopilot.limits import Done
from fleet.autopilot.proposing import Act, Circumstances, Proposal, propose
from fleet.autopilot.situation import Situation
from fleet.autopilot.watching import Watch
from fleet.errors import GpudeckError
from fleet.inventory.autopilot import Autopilot
from fleet.inventory.changes import Disable
from fleet.planning.cordons import cordoned
from fleet.planning.load_times import LoadTimes, load_times
from fleet.planning.plan import Plan

if TYPE_CHECKING:
    from fleet.rollout.events import Event

_LOADS_SECONDS = 600.0
"""How often what was recorded of starts is read again."""


class DeclinedError(GpudeckError):
    """An act is not begun, though it was proposed."""

    title = "The autopilot leaves it"


class Pilot:
    """What it has seen is lost with it; what it has done is in its records."""

    def __init__(self, session: Session, records: Records, clock: Callable[[], float] = time.time) -> None:
        """Over a session that is watched by whoever runs it; ``clock`` gives Unix seconds."""
        self._session = session
        self._records = records
        self._clock = clock
        self._watch = Watch()
        self._loads, self._loads_read = LoadTimes(), -_LOADS_SECONDS

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
            loads=self._load_times(at),
        )
        return propose(Situation(session.inventory, state, self._watch, at), circumstances, self._records.acts())

    async def act(self, act: Act, on_event: Callable[[Event], None]) -> str:
        """Do it as an operator would: planned, checked, locked, gated, rolled back where it fails; how it ended.

        Raises GpudeckError where it is not begun, or has failed. Either way it is remembered, and rests.
        """
        well = False
        try:
            plan = await plan_changes(self._session, act.changes)
            _check(plan, act, self._records.halted)
            said = await self._carry_out(plan, act, on_event)
            well = True
            return said
        finally:
            self._records.add(Done(self._clock(), act.subject, act.models, well, act.sentence))

    async def _carry_out(self, plan: Plan, act: Act, on_event: Callable[[Event], None]) -> str:
        if not plan.steps:
            return follow_what_stands(self._session, plan)
        from fleet.rollout.audit import note
        from fleet.rollout.events import Outcome
        from fleet.ssh.operator import Operator

        who = f"autopilot of {operator_name()}"
        for host in plan.hosts:
            await Operator(self._session.connection(host)).write(note(f"{who}: {act.sentence}"))
        journal = open_journal(self._session)
        try:
            rollout = rollout_of(self._session, plan, journal, on_event, operator=who, may_stop=_never)
            result = await rollout.run()
        finally:
            journal.close()
        problem = follow(self._session, plan, result)
        said = " ".join(part for part in (result.message, problem) if part)
        if result.outcome is not Outcome.DONE:
            raise GpudeckError(f"{result.outcome.capitalize()}: {said}")
        return said

    def _load_times(self, at: float) -> LoadTimes:
        if at - self._loads_read >= _LOADS_SECONDS:
            self._loads, self._loads_read = load_times(recorded_starts(self._session)), at
        return self._loads


async def _never(models: tuple[str, ...]) -> bool:
    """A way back that would stop what serves is an operator's to take."""
    return False


def _check(plan: Plan, act: Act, halted: str) -> None:
    """Raises DeclinedError for a plan that an operator would have to agree to by more than a yes."""
    if halted:
        raise DeclinedError(f"It was halted by {halted}.", "`gpudeck autopilot --go` lets it act again.")
    unloaded = {change.model for change in act.changes if isinstance(change, Disable)}
    for confirmation in confirmations(plan):
        if confirmation.word not in unloaded:
            raise DeclinedError(f"{confirmation.question.partition('. ')[0]}.", "An operator may, by `gpudeck apply`.")
    wrong = next((finding for finding in plan.findings if finding.severity == "error"), None)
    if wrong is not None:
        raise DeclinedError(wrong.message)
