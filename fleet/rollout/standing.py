"""What stands of a plan while it is carried out or taken back, and in which words that is said."""

from __future__ import annotations

from collections.abc import Collection

from fleet.planning.plan import Plan, Step
from fleet.rollout.events import Phase
from fleet.rollout.progress import entangled, finished


class Standing:
    """How far each model of a plan has come, there and back."""

    def __init__(self, plan: Plan) -> None:
        """Nothing is begun yet."""
        self.plan = plan
        self.begun: set[int] = set()
        """Steps of the plan that may have left something to undo."""
        self.done: set[int] = set()
        self.given_up: set[str] = set()
        """Models that are back as they were, because they failed or could not stay without one that did."""
        self._last: dict[str, tuple[Phase, Step, bool]] = {}
        """By model the last step that was begun, and whether it is done."""
        self._way_back: tuple[Step, ...] = ()
        """Its steps that are left."""

    @property
    def finished(self) -> tuple[str, ...]:
        """The models whose every step is done."""
        return finished(self.plan, self.done)

    def begins(self, phase: Phase, step: Step) -> None:
        """A step is begun."""
        self._last[step.model] = phase, step, False
        if phase is Phase.PLAN:
            self.begun.add(step.n)

    def ends(self, phase: Phase, step: Step) -> None:
        """A step is done."""
        self._last[step.model] = phase, step, True
        if phase is Phase.PLAN:
            self.done.add(step.n)
        else:
            self._way_back = tuple(left for left in self._way_back if left is not step)

    def turns_back(self, steps: tuple[Step, ...]) -> None:
        """These are the steps of a way back that follows."""
        self._way_back = steps

    def never_began(self, step: Step) -> None:
        """A step that failed touched nothing."""
        self.begun.discard(step.n)

    def entangled_with(self, failed: str) -> frozenset[str]:
        """The models that have to go back with one whose step failed, itself included."""
        return entangled(self.plan, self.begun, self.done, failed)

    def give_up(self, models: Collection[str]) -> None:
        """These are as they were: nothing of them is left to undo, nor to be done."""
        self.given_up |= set(models)
        gone = {step.n for step in self.plan.steps if step.model in models}
        self.begun -= gone
        self.done -= gone

    @property
    def words(self) -> str:
        """For people: which models are as the plan wants them, which as before, which neither, and how those stand."""
        groups: dict[str, list[str]] = {"As the plan wants": [], "As before": [], "Half way": [], "Not begun": []}
        for model in dict.fromkeys(step.model for step in self.plan.steps):
            group = self._group(model)
            groups[group].append(f"{model}{self._how_far(model)}" if group == "Half way" else model)
        return " ".join(f"{group}: {', '.join(models)}." for group, models in groups.items() if models)

    def _group(self, model: str) -> str:
        phase, _, _ = self._last.get(model, (Phase.PLAN, None, False))
        is_back = phase is Phase.ROLLBACK and all(step.model != model for step in self._way_back)
        if model in self.given_up or is_back:
            return "As before"
        if phase is Phase.PLAN and model in self.finished:
            return "As the plan wants"
        begun = any(step.model == model and step.n in self.begun for step in self.plan.steps)
        return "Half way" if begun or phase is Phase.ROLLBACK else "Not begun"

    def _how_far(self, model: str) -> str:
        if model not in self._last:
            return ""
        phase, step, is_done = self._last[model]
        back = " on the way back" if phase is Phase.ROLLBACK else ""
        return f" ({step.action} {'done' if is_done else 'begun, not done'}{back})"
