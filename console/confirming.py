"""What must be typed before a plan is carried out: more the more is at stake, and nothing where all comes back."""

from __future__ import annotations

from dataclasses import dataclass

from console.plan_text import wants_name
from fleet.inventory import Inventory
from fleet.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Question:
    """A name to be typed, and what typing it accepts."""

    name: str
    why: str
    """One sentence."""

    @property
    def words(self) -> str:
        """The whole question."""
        return f"{self.why} Type {self.name} to go on"


def questions(plan: Plan, inventory: Inventory) -> tuple[Question, ...]:
    """Of each model that may not serve after the plan, then of each host it touches that serves production."""
    hosts = (host for host in plan.hosts if inventory.host(host).production)
    return (
        *(Question(model, _why(plan, model)) for model in wants_name(plan)),
        *(Question(host, f"{host} serves production.") for host in hosts),
    )


def _why(plan: Plan, model: str) -> str:
    if model in plan.stays_stopped:
        return f"{model} will stay stopped."
    return f"{model} may not serve after this."
