"""A rollout whose console ended before it did: found in the journal, carried on or undone."""

from __future__ import annotations

import asyncio
import sys

from console.changing.applying import answer, print_event
from console.changing.carrying_out import carry_on, follow, open_journal, rollout_of, undo
from console.changing.unfinished import unfinished_rollout, ways
from console.session import Session
from fleet.errors import Exit, UsageError
from fleet.inventory import Inventory
from fleet.rollout.events import Outcome
from fleet.rollout.journal import Past


def resume(inventory: Inventory, *, back: bool, yes: bool = False, take_over: str = "") -> int:
    """Carry the fleet's unfinished rollout on, or undo it; the exit code.

    What that stops is said, and undoing is asked about where it stops what runs and somebody can be asked.
    Raises UsageError where there is none, or where the operator does not agree.
    """
    return asyncio.run(_resume(Session(inventory), back=back, yes=yes, take_over=take_over))


async def _resume(session: Session, *, back: bool, yes: bool, take_over: str) -> int:
    past = unfinished_rollout(session)
    if past is None:
        raise UsageError("There is no unfinished rollout of this fleet.")
    async with session.watching():
        await _say_what_stops(session, past, back=back, asks=back and not yes and sys.stdin.isatty())
        journal = open_journal(session)
        try:
            rollout = rollout_of(session, past.plan, journal, print_event, take_over=take_over)
            result = await (undo if back else carry_on)(rollout, journal)
            problem = follow(session, past.plan, result)
        finally:
            journal.close()
    if problem:
        print(f"gpudeck: {problem}", file=sys.stderr)
    return Exit.DONE if result.outcome in (Outcome.DONE, Outcome.ROLLED_BACK) else Exit.FINDINGS


async def _say_what_stops(session: Session, past: Past, *, back: bool, asks: bool) -> None:
    """Raises UsageError where the operator is asked and does not agree."""
    either = await ways(session, past)
    stopped = either.back if back else either.onward
    if not stopped:
        return
    print(f"This stops {', '.join(stopped)}, which runs now.", file=sys.stderr)
    if asks and answer("Go back? [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("Not confirmed; nothing was done.")
