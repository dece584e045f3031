"""What a killed console left behind: the rollout in the journal, and what carrying it on or undoing it would stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from console.fleets import journal_path, state_folder
from console.session import Session
from fleet.planning.plan import Action, Plan, Step
from fleet.rollout.events import Phase
from fleet.rollout.journal import Past
from fleet.rollout.restoring import restoring
from fleet.rollout.resuming import still_standing
from fleet.state import ModelWord

_DOWN = (ModelWord.STOPPED, ModelWord.FAILED, ModelWord.DISABLED, ModelWord.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Ways:
    """What is to be known before choosing a way: the models that run now and would be stopped."""

    onward: tuple[str, ...]
    back: tuple[str, ...]


def unfinished_rollout(session: Session) -> Past | None:
    """The fleet's unfinished rollout; None where there is none, or no journal yet.

    Raises GpudeckError while another process of this machine is carrying it out.
    """
    if not journal_path(session.inventory, session.state_folder or state_folder()).exists():
        return None
    from console.changing.carrying_out import open_journal

    journal = open_journal(session)
    try:
        if journal.unfinished() is None:
            return None
        journal.claim()
        return next(past for past in reversed(journal.rollouts(_MOST)) if past.outcome is None)
    finally:
        journal.close()


_MOST = 20
"""How far back an unfinished rollout may lie; none is begun while there is one, so it is the newest."""


def past_words(past: Past) -> str:
    """Which rollout it is: when, by whom, and where it stopped."""
    when = datetime.fromtimestamp(past.begun).astimezone().strftime("%Y-%m-%d %H:%M")
    if past.outcome is not None:
        return f"{when} by {past.operator}: {past.outcome}"
    cut = next((touch for touch in reversed(past.touches) if touch.outcome is None), None)
    at = f", in the middle of {cut.action} {cut.model}" if cut else ""
    return f"{when} by {past.operator}: did not end{at}"


async def ways(session: Session, past: Past) -> Ways:
    """What each way would stop, by what the hosts run now. Raises GpudeckError where one cannot be asked."""
    await session.first_readings()
    await session.reach(past.plan.hosts)
    done, begun = _done_and_begun(past)
    probes = {host: session.probe(host) for host in past.plan.hosts}
    standing = await still_standing(past.plan, done, probes, session.board)
    onward = (step for step in past.plan.steps if step.n not in standing)
    return Ways(_stopped(session, past.plan, onward), _stopped(session, past.plan, restoring(past.plan, begun)))


def _done_and_begun(past: Past) -> tuple[set[int], set[int]]:
    touches = [touch for touch in past.touches if touch.phase is Phase.PLAN]
    return {touch.n for touch in touches if touch.outcome == "done"}, {touch.n for touch in touches}


def _stopped(session: Session, plan: Plan, steps: Iterable[Step]) -> tuple[str, ...]:
    """The models that run now and that these steps stop."""
    words = {model.name: model.word for model in session.state().models}
    stopped = dict.fromkeys(step.model for step in steps if step.action is Action.STOP)
    return tuple(model for model in stopped if words.get(model, ModelWord.UNKNOWN) not in _DOWN)
