"""The rollouts of this machine's journal, newest first, and one of them as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.changing.carrying_out import open_journal
from console.changing.plan_text import step_words
from console.changing.progress import progress_of
from console.changing.unfinished import past_words
from console.sentences import change_sentence
from console.session import Session
from fleet.errors import UsageError
from fleet.planning.plan import Step
from fleet.rollout.events import Event, Kind, Phase
from fleet.rollout.journal import Past

MOST = 200


def newest_rollouts(session: Session) -> tuple[Past, ...]:
    """At most `MOST` of them. Raises GpudeckError where the journal cannot be read."""
    journal = open_journal(session)
    try:
        return tuple(reversed(journal.rollouts(MOST)))
    finally:
        journal.close()


def list_lines(rollouts: Sequence[Past]) -> Iterator[str]:
    """A numbered sentence each: when, by whom, how it ended, what it changed."""
    if not rollouts:
        yield "No rollout is in this machine's journal."
    for number, past in enumerate(rollouts, 1):
        yield " ".join((f"{number}. {past_words(past)}.", *map(change_sentence, past.plan.changes)))


def chosen(rollouts: Sequence[Past], number: str) -> Past:
    """The one of that number in the list. Raises UsageError where there is none."""
    if not number.isdecimal() or not 0 < int(number) <= len(rollouts):
        raise UsageError(f"There is no rollout {number!r}.", f"They are numbered 1 to {len(rollouts)}, newest first.")
    return rollouts[int(number) - 1]


def record_lines(past: Past) -> Iterator[str]:
    """What one changed, what became of each step on the way there and on the way back, and how it ended."""
    progress = progress_of(past.plan, past.touches)
    yield f"Rollout of {past_words(past)}."
    yield from map(change_sentence, past.plan.changes)
    for step in past.plan.steps:
        yield _step_sentence(step, progress.news.get((Phase.PLAN, step.n)))
    if progress.back:
        yield "Then what was there before was restored."
    for step in progress.back:
        yield _step_sentence(step, progress.news.get((Phase.ROLLBACK, step.n)))
    if past.message:
        yield past.message


_ENDS = {Kind.DONE: "done", Kind.FAILED: "failed", Kind.STARTED: "begun"}


def _step_sentence(step: Step, event: Event | None) -> str:
    end = _ENDS[event.kind] if event else "not begun"
    message = event.message if event else ""
    return f"{' '.join(step_words(step).split())}: {end}{f', {message}' if message else '.'}"
