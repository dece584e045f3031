"""What an operator has and a viewer lacks. A process that may only look never imports this module."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING

from fleet.errors import GpudeckError

if TYPE_CHECKING:
    from console.alerts.live import LiveAlerts
    from console.app import GpudeckApp
    from console.session import Session
    from fleet.planning.draft import Draft
    from fleet.planning.plan import Plan
    from fleet.ssh.connection import HostConnection
    from fleet.ssh.operator import Operator


class Operating:
    """Connections that write, rollouts, drafts that are kept, and alerts acknowledged for everybody.

    What it takes is imported when it is first needed: the first picture is painted without it.
    """

    def operator(self, connection: HostConnection) -> Operator:
        """What can change the host of that connection."""
        from fleet.ssh.operator import Operator

        return Operator(connection)

    def begin(self, app: GpudeckApp) -> None:
        """Take up what earlier consoles left: the draft they kept, and a rollout that did not end."""
        from console.changing.unfinished import unfinished_rollout
        from console.screens.record import RecordScreen

        offered = _offer_kept_draft(app)
        if offered:
            app.tell(offered, "warning")
        try:
            past = unfinished_rollout(app.session)
        except GpudeckError as error:
            app.tell(str(error), "warning")
        else:
            if past is not None:
                app.push_screen(RecordScreen(past))

    def open_rollout(self, app: GpudeckApp, plan: Plan) -> None:
        """Carry a plan out, and show how far it is."""
        from console.screens.rollout import RolloutScreen

        app.push_screen(RolloutScreen(plan))

    def open_rollouts(self, app: GpudeckApp) -> None:
        """List the rollouts of this machine's journal."""
        from console.screens.rollouts import RolloutsScreen

        app.push_screen(RolloutsScreen())

    def follow_what_stands(self, session: Session, plan: Plan) -> str:
        """Let the fleet file follow a plan without steps; what is wrong with that, as a sentence."""
        from console.changing.carrying_out import follow_what_stands

        return follow_what_stands(session, plan)

    async def carry_out(self, session: Session, plan: Plan) -> str:
        """Carry a plan out and tell each event on standard error; how it ended. Raises GpudeckError."""
        from console.changing.applying import print_event
        from console.changing.carrying_out import follow, open_journal, rollout_of

        journal = open_journal(session)
        try:
            result = await rollout_of(session, plan, journal, print_event).run()
        finally:
            journal.close()
        problem = follow(session, plan, result)
        return " ".join(filter(None, (f"The rollout is {result.outcome}.", result.message, problem)))

    def rollout_lines(self, session: Session, number: str) -> list[str]:
        """The rollouts of this machine's journal, newest first; or the one of that number, step by step.

        Raises GpudeckError.
        """
        from console.changing.records import chosen, list_lines, newest_rollouts, record_lines

        found = newest_rollouts(session)
        return list(record_lines(chosen(found, number)) if number else list_lines(found))

    def acknowledge(self, alerts: LiveAlerts, key: str, until: int) -> None:
        """Have nobody told of an alert until a time, Unix seconds. Raises GpudeckError."""
        alerts.acknowledge(key, until, getpass.getuser())


def _offer_kept_draft(app: GpudeckApp) -> str:
    """Let redo stage what an earlier console had drafted, and keep what this one drafts; what to say of it."""
    from console.changing.kept_draft import KeptDraft
    from console.fleets import draft_path, state_folder

    session = app.session
    kept = KeptDraft(draft_path(session.inventory, session.state_folder or state_folder()), time.time)

    def keep(draft: Draft) -> None:
        try:
            kept.keep(draft, session.inventory)
        except GpudeckError as error:
            app.call_later(app.tell, str(error), "warning")  # after what is said of the staging itself

    offer = kept.offer(session.inventory, app.key("deck.redo"))
    session.when_drafted = keep
    if offer.changes:
        session.offer(offer.changes)
    return offer.words
