"""A rollout whose console ended before it did: found in the journal, carried on or undone."""

from __future__ import annotations

import asyncio
import sys

from console.applying import print_event
from console.changing import carry_on, follow, open_journal, rollout_of, undo
from console.session import Session
from fleet.errors import Exit, UsageError
from fleet.inventory import Inventory
from fleet.rollout.events import Outcome


def resume(inventory: Inventory, *, back: bool, take_over: str = "") -> int:
    """Carry the fleet's unfinished rollout on, or undo it; the exit code. Raises UsageError where there is none."""
    return asyncio.run(_resume(Session(inventory), back=back, take_over=take_over))


async def _resume(session: Session, *, back: bool, take_over: str) -> int:
    journal = open_journal(session)
    try:
        found = journal.unfinished()
        if found is None:
            raise UsageError("There is no unfinished rollout of this fleet.")
        async with session.watching():
            await session.first_readings()
            await session.reach(found.plan.hosts)
            rollout = rollout_of(session, found.plan, journal, print_event, take_over=take_over)
            result = await (undo if back else carry_on)(rollout, journal)
            problem = follow(session, found.plan, result)
            if problem:
                print(f"gpudeck: {problem}", file=sys.stderr)
    finally:
        journal.close()
    return Exit.DONE if result.outcome in (Outcome.DONE, Outcome.ROLLED_BACK) else Exit.FINDINGS
