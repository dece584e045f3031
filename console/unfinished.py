"""What a killed console left behind, as a sentence for the next one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from console.fleets import journal_path, state_folder
from console.session import Session


def unfinished_words(session: Session) -> str:
    """A sentence about the fleet's unfinished rollout; empty where there is none, or no journal yet."""
    path: Path = journal_path(session.inventory, session.state_folder or state_folder())
    if not path.exists():
        return ""
    from console.changing import open_journal

    journal = open_journal(session)
    try:
        found = journal.unfinished()
    finally:
        journal.close()
    if found is None:
        return ""
    when = datetime.fromtimestamp(found.begun).astimezone().strftime("%Y-%m-%d %H:%M")
    at = f", in the middle of {found.interrupted.action} {found.interrupted.model}" if found.interrupted else ""
    return (
        f"A rollout of {when} by {found.operator} did not end{at}. "
        "Leave, then `gpudeck apply --resume` carries it on and `gpudeck apply --rollback` undoes it."
    )
