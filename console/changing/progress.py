"""How far a plan is carried out: what happened of each of its steps, while it runs or as the journal tells it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from console.changing.plan_memory import left_rows, memory_after
from console.changing.plan_text import step_words
from fleet.model import GpuId
from fleet.planning.plan import Action, Plan, Step
from fleet.rollout.events import Event, Kind, Outcome, Phase
from fleet.rollout.journal import Touch
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span

_SIGNS = {
    Kind.STARTED: ("▶", "accent"),
    Kind.PROGRESS: ("▶", "accent"),
    Kind.DONE: ("✓", "good"),
    Kind.FAILED: ("✗", "error"),
}
_STYLES = dict.fromkeys(Outcome, "warning") | {
    Outcome.DONE: "good",
    Outcome.FAILED: "error",
    Outcome.UNKNOWN: "error",
}
_ENDS = {"done": Kind.DONE, "failed": Kind.FAILED}
_TITLES = {Phase.PLAN: "The plan", Phase.ROLLBACK: "Restoring what was there before"}


@dataclass(frozen=True, slots=True)
class Progress:
    """A plan, the steps of its way back where there is one, and the newest event of each step."""

    plan: Plan
    back: tuple[Step, ...] = ()
    news: Mapping[tuple[Phase, int], Event] = field(default_factory=lambda: MappingProxyType({}))
    """By phase and number of the step, in the order in which they came."""

    def told(self, event: Event) -> Progress:
        """With what this event says."""
        progress = replace(self, back=event.steps) if event.kind is Kind.ROLLING_BACK else self
        if event.step is None:
            return progress
        key = event.phase, event.step.n
        others = {other: news for other, news in progress.news.items() if other != key}
        return replace(progress, news=MappingProxyType({**others, key: event}))

    @property
    def done(self) -> tuple[int, ...]:
        """Numbers of the plan's steps that are done."""
        return tuple(n for (phase, n), event in self.news.items() if phase is Phase.PLAN and event.kind is Kind.DONE)


def outcome_style(outcome: str | None) -> str:
    """The style of how a rollout ended; None where it did not."""
    return "warning" if outcome is None else _STYLES[Outcome(outcome)]


def progress_of(plan: Plan, touches: tuple[Touch, ...]) -> Progress:
    """As the journal tells it. Of the steps of a way back it only knows those that were begun."""
    steps = {step.n: step for step in plan.steps}
    progress = Progress(plan)
    for touch in touches:
        step = steps.get(touch.n) if touch.phase is Phase.PLAN else None
        step = step or Step(touch.n, Action(touch.action), touch.model, touch.host, "", ())
        if touch.phase is Phase.ROLLBACK:
            progress = replace(progress, back=(*progress.back, step))
        kind = _ENDS.get(touch.outcome or "", Kind.STARTED)
        words = touch.message or ("" if touch.outcome else "How it ended is not known.")
        progress = progress.told(Event(kind, words, touch.phase, step))
    return progress


def progress_rows(progress: Progress, totals: Mapping[GpuId, int], cells: int) -> tuple[list[Row], int]:
    """Every step with what happened and the memory it leaves on paper; and the row of the newest event."""
    memory = memory_after(progress.plan, totals)
    newest = next(reversed(tuple(progress.news)), None)
    rows: list[Row] = []
    current = 0
    for phase, steps in ((Phase.PLAN, progress.plan.steps), (Phase.ROLLBACK, progress.back)):
        rows += [(Span(_TITLES[phase], "accent"),)] if steps else []
        for step in steps:
            if (phase, step.n) == newest:
                current = len(rows)
            rows += _step_rows(step, progress.news.get((phase, step.n)), cells)
            rows += left_rows(memory.get(step.n, ()), cells, " " * 8) if phase is Phase.PLAN else []
        rows += [()] if steps else []
    return rows, current


def _step_rows(step: Step, event: Event | None, cells: int) -> list[Row]:
    sign, style = _SIGNS.get(event.kind, ("·", "dim")) if event else ("·", "dim")
    first, *others = paragraph(step_words(step), cells - 3, "text" if event else "dim", indent=" " * 8)
    rows: list[Row] = [(Span(f" {sign} ", style), *first), *others]
    if event is not None and event.message:
        told = "error" if event.kind is Kind.FAILED else "text"
        rows += paragraph("        " + event.message, cells, told, indent="        ")
    return rows
