"""From a plan to a rollout, to the fleet file: what the rollout screen and the command line both do."""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from console.session import Session
from fleet.errors import GpudeckError, UsageError
from fleet.inventory.changes import Change, Restart, apply, touched
from fleet.planning.plan import Plan
from fleet.planning.window import OUTSIDE_WINDOW, outside

if TYPE_CHECKING:
    from fleet.rollout.events import Event, Result
    from fleet.rollout.executor import Rollout
    from fleet.rollout.journal import Journal, Unfinished


def open_journal(session: Session) -> Journal:
    """The journal of the session's fleet. Raises GpudeckError where it cannot be written."""
    from console.fleets import journal_path, state_folder
    from fleet.rollout.journal import Journal

    return Journal(journal_path(session.inventory, session.state_folder or state_folder()), time.time)


def rollout_of(
    session: Session,
    plan: Plan,
    journal: Journal,
    on_event: Callable[[Event], None],
    **options: Any,
) -> Rollout:
    """A rollout of the plan over the session's own connections, not yet begun.

    It begins nothing that the maintenance window does not hold, unless the plan said so and so was agreed to.
    ``options`` are those of `fleet.rollout.executor.Rollout`.
    """
    from fleet.rollout.executor import Rollout

    operators = {host: session.operator(host) for host in plan.hosts}
    options.setdefault("operator", operator_name())
    if not any(finding.code == OUTSIDE_WINDOW for finding in plan.findings):
        options.setdefault("may_begin", window_of(session))
    return Rollout(plan, operators, session.board, journal, on_event, **options)


async def from_the_first(rollout: Rollout, journal: Journal) -> Result:
    """Carry a plan out from its first step. Raises GpudeckError."""
    return await rollout.run()


async def carry_on(rollout: Rollout, journal: Journal) -> Result:
    """Carry the journal's unfinished rollout on from where it was left. Raises GpudeckError."""
    found = _unfinished(journal)
    return await rollout.go_on_from(found.id, found.done)


async def undo(rollout: Rollout, journal: Journal) -> Result:
    """Undo the journal's unfinished rollout. Raises GpudeckError."""
    from fleet.rollout.events import Phase

    found = _unfinished(journal)
    return await rollout.restore(found.id, [touch.n for touch in found.touches if touch.phase is Phase.PLAN])


def _unfinished(journal: Journal) -> Unfinished:
    found = journal.unfinished()
    if found is None:
        raise UsageError("There is no unfinished rollout of this fleet.")
    return found


async def accept(rollout: Rollout, journal: Journal) -> Result:
    """End the journal's unfinished rollout and leave everything as it stands. Raises GpudeckError."""
    found = _unfinished(journal)
    return await rollout.accept(found.id, found.done)


def window_of(session: Session) -> Callable[[float], str]:
    """Says why the fleet's maintenance windows do not hold a next model's change of so many seconds; empty: they do."""

    def refusal(seconds: float) -> str:
        late = outside(session.inventory.policy.windows, time.time(), seconds, "the next model")
        return late.message if late else ""

    return refusal


def operator_name() -> str:
    """Who we are to other operators: ``user@machine``."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def follow_what_stands(session: Session, plan: Plan) -> str:
    """Let the fleet file follow a plan without steps: what runs is as asked already. What is wrong, as `follow`."""
    from fleet.rollout.events import Outcome, Result

    return follow(session, plan, Result(Outcome.DONE, "It runs so already; the fleet file follows."))


def follow(session: Session, plan: Plan, result: Result) -> str:
    """Let the session, and its fleet file, follow what is done; what was not done stays a draft.

    Only the changed values of the file change; nothing does while the rollout may still be gone on from or undone. What
    is wrong with writing it, as a sentence; empty where nothing is.
    """
    from console.history.recording import record_rollout
    from fleet.rollout.events import Outcome

    record_rollout(session, [change.model for change in plan.changes], str(result.outcome), result.message)
    if result.outcome is Outcome.ROLLED_BACK or result.outcome.is_open:
        return ""
    stand = {change.model for change in plan.changes} - {step.model for step in plan.steps}
    as_asked = {*result.done, *(stand if result.outcome is Outcome.DONE else ())}
    before = session.inventory
    done = [change for change in plan.changes if as_asked.issuperset(touched(before, change))]
    left = [change for change in plan.changes if change not in done]
    session.adopt(apply(before, done))
    if left:
        session.stage(*left)
    written: list[Change] = [change for change in done if not isinstance(change, Restart)]
    return _write_fleet_file(session, written) if written else ""


def _write_fleet_file(session: Session, changes: list[Change]) -> str:
    from fleet.inventory.editing import edited, save

    path = session.inventory.path
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
        save(path, text, edited(text, changes, path))
    except (OSError, UnicodeDecodeError, GpudeckError) as error:
        return f"What runs is changed, but {path} is not: {error}"
    return ""
