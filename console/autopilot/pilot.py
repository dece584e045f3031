"""An act of the autopilot, done as an operator would who only ever says yes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from console.autopilot.records import Records
from console.changing.carrying_out import follow, follow_what_stands, open_journal, operator_name, rollout_of
from console.changing.plan_text import confirmations
from console.changing.planning import plan_changes
from console.session import Session
from fleet.autopilot.limits import Attempt, Ended
from fleet.autopilot.proposing import Act
from fleet.errors import GpudeckError
from fleet.findings import Finding, Severity
from fleet.inventory.changes import Disable
from fleet.planning.plan import Plan

if TYPE_CHECKING:
    from fleet.rollout.events import Event
    from fleet.rollout.executor import Rollout


_OPERATOR = "An operator may do it, by `gpudeck apply`."


class DeclinedError(GpudeckError):
    """An act was not begun."""

    title = "The autopilot leaves it"


class FailedError(GpudeckError):
    """An act was begun, and did not come to its end."""

    title = "The autopilot failed"


class Pilot:
    """Acts over one session, each remembered in the records before it is begun."""

    def __init__(self, session: Session, records: Records, clock: Callable[[], float] = time.time) -> None:
        """Over a session that is watched by whoever runs it; ``clock`` gives Unix seconds."""
        self._session = session
        self._records = records
        self._clock = clock
        self._who = f"autopilot of {operator_name()}"

    @property
    def hindrance(self) -> str:
        """Why nothing at all may be done now, as a sentence; empty where something may."""
        halted = self._records.halted
        if halted:
            return f"Halted by {halted}. `gpudeck autopilot --go` lets it act again."
        try:
            journal = open_journal(self._session)
        except GpudeckError as error:
            return error.message
        try:
            other = journal.unfinished()
        finally:
            journal.close()
        if other is None:
            return ""
        return (
            f"A rollout that {other.operator} began has no end, so nothing is done. If it is not under way, "
            "`gpudeck apply --resume` carries it on and `gpudeck apply --rollback` undoes it."
        )

    async def act(self, act: Act, on_event: Callable[[Event], None]) -> str:
        """Do it: planned, checked, locked, gated, and taken back whole where it fails; how it ended.

        Raises DeclinedError where it is not begun, FailedError where it has failed. Either way it is remembered.
        """
        attempt = Attempt(self._clock(), act.subject, act.models, Ended.INTERRUPTED, act.sentence)
        self._records.add(attempt)
        ended, because = Ended.INTERRUPTED, ""
        try:
            said = await self._do(act, on_event)
            ended = Ended.DONE
            return said
        except FailedError as error:
            ended, because = Ended.FAILED, error.message
            raise
        except GpudeckError as error:
            ended, because = Ended.DECLINED, error.message
            raise DeclinedError(error.message, error.way_out) from None
        finally:
            self._records.add(replace(attempt, at=self._clock(), ended=ended, because=because), instead_of=attempt)

    async def _do(self, act: Act, on_event: Callable[[Event], None]) -> str:
        plan = replace(await plan_changes(self._session, act.changes), reason=act.sentence)
        _check(plan, act)
        if not plan.steps:
            return follow_what_stands(self._session, plan)
        from fleet.rollout.events import Outcome

        await self._note(plan, act.sentence)
        journal = open_journal(self._session)
        try:
            flight = _Flight(on_event)
            flight.rollout = rollout_of(self._session, plan, journal, flight.told, operator=self._who)
            result = await flight.rollout.run()
        finally:
            journal.close()
        if not flight.begun:
            await self._note(plan, f"not begun: {result.message}")
            raise DeclinedError(result.message)
        problem = follow(self._session, plan, result)
        self._session.clear()
        said = " ".join(filter(None, (flight.failure, result.message, problem)))
        if result.outcome is not Outcome.DONE:
            raise FailedError(f"{result.outcome.capitalize()}: {said}")
        return said

    async def _note(self, plan: Plan, words: str) -> None:
        """Have the hosts' own logs say it. Raises UnreachableError."""
        from fleet.rollout.audit import note

        for host in plan.hosts:
            await self._session.operator(host).write(note(f"{self._who}: {words}"))


class _Flight:
    """What a rollout tells; where a step fails it is turned back, for half an act is no act."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self.rollout: Rollout | None = None
        self.begun = False
        self.failure = ""
        """What went wrong, as a sentence."""

    def told(self, event: Event) -> None:
        from fleet.rollout.events import Kind

        self._on_event(event)
        self.begun = self.begun or event.kind is Kind.STARTED
        if event.kind is Kind.FAILED and self.rollout is not None:
            self.failure = self.failure or event.message
            self.rollout.roll_back()


def _check(plan: Plan, act: Act) -> None:
    """Raises DeclinedError for a plan that does more than was proposed, or wants more of an operator than a yes."""
    others = {step.model for step in plan.steps}.difference(act.models)
    if others:
        raise DeclinedError(f"{' and '.join(sorted(others))} would have to be restarted for it.", _OPERATOR)
    unloaded = {change.model for change in act.changes if isinstance(change, Disable)}
    for confirmation in confirmations(plan):
        if confirmation.word not in unloaded:
            raise DeclinedError(f"{confirmation.question.partition('. ')[0]}.", _OPERATOR)
    if unloaded.issuperset(act.models):
        return
    wrong = next((f for f in plan.findings if f.severity is Severity.ERROR and _concerns(f, plan)), None)
    if wrong is not None:
        raise DeclinedError(wrong.message, _OPERATOR)


def _concerns(finding: Finding, plan: Plan) -> bool:
    """Whether it is about what the plan touches; what is wrong elsewhere in the fleet was so before."""
    gpus = {gpu for step in plan.steps for gpu in step.gpus}
    models = {step.model for step in plan.steps}
    return finding.model in models or finding.gpu in gpus or finding.host in plan.hosts
