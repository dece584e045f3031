"""What the autopilot would do, kept among the findings of a session that somebody looks at."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from console.autopilot.looking import LOOK_SECONDS, Lookout
from console.autopilot.records import Records
from console.fleets import autopilot_stem, state_folder
from console.session import Session
from fleet.autopilot.finding import findings
from fleet.autopilot.proposing import Proposal
from fleet.errors import GpudeckError, UnreachableError


def records_of(session: Session) -> Records:
    """What any autopilot of this user has done about the session's fleet."""
    return Records(autopilot_stem(session.inventory, session.state_folder or state_folder()))


def records_words(session: Session) -> str:
    """Whether it may act, and what it did last, as a sentence or two."""
    records = records_of(session)
    tried = records.acts().tried
    halted = f"The autopilot is halted by {records.halted}." if records.halted else "The autopilot may act."
    if not tried:
        return f"{halted} It has done nothing of late."
    when = datetime.fromtimestamp(tried[-1].at).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{halted} Last, {when}, {tried[-1].ended}: {tried[-1].sentence}"


async def keep_proposing(session: Session, when_new: Callable[[], None] = lambda: None) -> None:
    """Look at the fleet again and again, and tell when there is another proposal, until cancelled."""
    with suppress(UnreachableError):
        await session.first_readings()
    lookout, told = Lookout(session, records_of(session)), None
    while True:
        with suppress(GpudeckError):  # a draft that others apply meanwhile may leave a look without sense
            proposal = await lookout.look()
            if told is None or _what(proposal) != told:  # figures in its words change all the time
                session.proposed, told = findings(proposal, session.inventory), _what(proposal)
                when_new()
        await asyncio.sleep(LOOK_SECONDS)


def _what(proposal: Proposal) -> tuple[object, ...]:
    """What is proposed and declined, without figures."""
    act = proposal.act
    declined = tuple(re.sub(r"[\d.]+", "", words) for words in proposal.declined.values())
    return act and (act.subject, act.changes), declined
