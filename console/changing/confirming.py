"""What must be typed before a plan is carried out: more the more is at stake, and nothing where all comes back."""

from __future__ import annotations

from console.changing.plan_text import Confirmation, confirmations
from fleet.inventory import Inventory
from fleet.planning.plan import Plan


def questions(plan: Plan, inventory: Inventory) -> tuple[Confirmation, ...]:
    """What the plan itself asks for, then the name of each host it touches that serves production."""
    hosts = (host for host in plan.hosts if inventory.host(host).production)
    return (
        *confirmations(plan),
        *(Confirmation(host, f"{host} serves production. Type {host} to go on") for host in hosts),
    )
