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
from fleet.units import duration
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, ends

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
    begun: Mapping[tuple[Phase, int], float] = field(default_factory=lambda: MappingProxyType({}))
    """When each step began that we saw begin, in seconds of whoever told."""
    took: Mapping[tuple[Phase, int], float] = field(default_factory=lambda: MappingProxyType({}))
    """Seconds that each of those took, once it was over."""

    def told(self, event: Event, at: float | None = None) -> Progress:
        """With what this event says; ``at`` is when, in seconds, where that is known."""
        progress = replace(self, back=event.steps) if event.kind is Kind.ROLLING_BACK else self
        if event.step is None:
            return progress
        key = event.phase, event.step.n
        others = {other: news for other, news in progress.news.items() if other != key}
        progress = replace(progress, news=MappingProxyType({**others, key: event}))
        return progress if at is None else progress._timed(key, event.kind, at)

    def _timed(self, key: tuple[Phase, int], kind: Kind, at: float) -> Progress:
        if kind is Kind.STARTED:
            return replace(self, begun=MappingProxyType({**self.begun, key: at}))
        if kind in _ENDS.values() and key in self.begun:
            return replace(self, took=MappingProxyType({**self.took, key: at - self.begun[key]}))
        return self

    @property
    def seconds_left(self) -> float:
        """What is reckoned for the steps that are not done, of the way back once that is gone."""
        phase, steps = self._now
        return sum(step.seconds for step in steps if not self._is_done(phase, step))

    @property
    def how_far(self) -> str:
        """Behind which step of how many it is."""
        phase, steps = self._now
        done = [step.n for step in steps if self._is_done(phase, step)]
        return f"after step {max(done)} of {len(steps)}" if done else "before the first step"

    @property
    def _now(self) -> tuple[Phase, tuple[Step, ...]]:
        return (Phase.ROLLBACK, self.back) if self.back else (Phase.PLAN, self.plan.steps)

    def _is_done(self, phase: Phase, step: Step) -> bool:
        event = self.news.get((phase, step.n))
        return event is not None and event.kind is Kind.DONE

    def time_words(self, phase: Phase, step: Step) -> str:
        """How long a step took or, before it is over, what is reckoned for it; empty where neither is known."""
        seconds = self.took.get((phase, step.n))
        if seconds is not None:
            return duration(seconds) if seconds >= 1 else ""
        event = self.news.get((phase, step.n))
        is_over = event is not None and event.kind in _ENDS.values()
        return "" if is_over or not step.seconds else f"~{duration(step.seconds)}"


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
            rows += _step_rows(step, progress.news.get((phase, step.n)), progress.time_words(phase, step), cells)
            rows += left_rows(memory.get(step.n, ()), cells, " " * 8) if phase is Phase.PLAN else []
        rows += [()] if steps else []
    return rows, current


def _step_rows(step: Step, event: Event | None, time: str, cells: int) -> list[Row]:
    sign, style = _SIGNS.get(event.kind, ("·", "dim")) if event else ("·", "dim")
    first, *others = paragraph(step_words(step), cells - 3, "text" if event else "dim", indent=" " * 8)
    head = (Span(f" {sign} ", style), *first)
    has_room = sum(len(span.text) for span in head) + len(time) + 2 <= cells
    rows: list[Row] = [ends(head, (Span(time, "dim"),), cells) if time and has_room else head, *others]
    if event is not None and event.message:
        told = "error" if event.kind is Kind.FAILED else "text"
        rows += paragraph("        " + event.message, cells, told, indent="        ")
    return rows
