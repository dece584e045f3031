"""A rollout whose console ended before it did: found in the journal, carried on, undone or left as it stands."""

from __future__ import annotations

import argparse
import asyncio
import sys

from console.changing.applying import answer, print_event
from console.changing.carrying_out import accept, carry_on, follow, open_journal, rollout_of, undo, window_of
from console.changing.unfinished import unfinished_rollout, ways
from console.operating import Operating
from console.session import Session
from fleet.errors import Exit, UsageError
from fleet.inventory import Inventory
from fleet.rollout.events import Outcome
from fleet.rollout.journal import Past

_WAYS = {"resume": carry_on, "rollback": undo, "accept": accept}
_WELL = (Outcome.DONE, Outcome.ROLLED_BACK, Outcome.ACCEPTED)


def end_unfinished(inventory: Inventory, way: str, options: argparse.Namespace) -> int:
    """``resume`` the fleet's unfinished rollout, take it ``rollback``, or ``accept`` what stands; the exit code.

    What that stops is said, and undoing is asked about where it stops what runs and somebody can be asked.
    ``options`` are those of `console.changing.applying.add_apply_options`.
    Raises UsageError where there is none, or where the operator does not agree.
    """
    return asyncio.run(_end(Session(inventory, operating=Operating()), way, options))


async def _end(session: Session, way: str, options: argparse.Namespace) -> int:
    past = unfinished_rollout(session)
    if past is None:
        raise UsageError("There is no unfinished rollout of this fleet.")
    async with session.watching():
        if way == "accept":
            await session.first_readings()
        else:
            asks = way == "rollback" and not options.yes and sys.stdin.isatty()
            await _say_what_stops(session, past, back=way == "rollback", asks=asks)
        journal = open_journal(session)
        try:
            rollout = rollout_of(
                session,
                past.plan,
                journal,
                print_event,
                take_over=options.take_over,
                max_failures=options.max_failures,
                may_begin=(lambda seconds: "") if options.outside_window else window_of(session),
            )
            result = await _WAYS[way](rollout, journal)
            problem = follow(session, past.plan, result)
        finally:
            journal.close()
    if problem:
        print(f"gpudeck: {problem}", file=sys.stderr)
    return Exit.DONE if result.outcome in _WELL else Exit.FINDINGS


async def _say_what_stops(session: Session, past: Past, *, back: bool, asks: bool) -> None:
    """Raises UsageError where the operator is asked and does not agree."""
    either = await ways(session, past)
    stopped = either.back if back else either.onward
    if not stopped:
        return
    print(f"This stops {', '.join(stopped)}, which runs now.", file=sys.stderr)
    if asks and answer("Go back? [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("Not confirmed; nothing was done.")
