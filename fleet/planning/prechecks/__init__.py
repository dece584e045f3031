"""What would go wrong on the hosts once something is stopped, found before anything is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from fleet.commands import Reader
from fleet.findings import Finding
from fleet.inventory import Inventory
from fleet.planning.plan import Action, Plan, Step
from fleet.planning.prechecks import access, hosts, images, weights
from fleet.planning.prechecks.beginnings import Beginning
from fleet.planning.prechecks.host_facts import UnitFacts
from fleet.planning.world import World
from fleet.services.registry import service_named


async def precheck(
    plan: Plan, before: Inventory, after: Inventory, world: World, readers: Mapping[str, Reader]
) -> tuple[Finding, ...]:
    """Look at every host the plan touches, and say what would stop it halfway. Nothing is changed.

    What a host does not tell is not found wrong.

    Args:
        plan: What is to be done.
        before: The fleet as it runs.
        after: The fleet after the plan.
        world: What the plan was made from.
        readers: Connections by host.

    Raises:
        UnreachableError: A host was lost while it was asked.
    """
    found: list[Finding] = []
    for host in plan.hosts:
        steps = tuple(step for step in plan.steps if step.host == host)
        models = {model.name: model for model in after.models}
        facts = await hosts.read(steps, models, readers[host])
        of_host = list(hosts.check(plan, steps, facts, before, models))
        starts = _beginnings(steps, facts, before, after, world)
        checks = (topic.check(start, readers[host]) for start in starts for topic in (access, images, weights))
        of_host += [each for found_by_one in await asyncio.gather(*checks) for each in found_by_one]
        found += [each for each in of_host if each not in found]
    return tuple(found)


def _beginnings(
    steps: Iterable[Step], facts: hosts.Facts, before: Inventory, after: Inventory, world: World
) -> Iterator[Beginning]:
    """Each model's start, once for its host; those whose definition the plan did not need to read are left out."""
    seen: set[str] = set()
    for step in steps:
        standing = world.standing(step.model, step.host)
        if step.action is not Action.START or standing.definition is None or step.model in seen:
            continue
        seen.add(step.model)
        host, model, former = after.host(step.host), after.model(step.model), before.model(step.model)
        is_same = model.source == former.source
        yield Beginning(
            step,
            model,
            service_named(step.service, host.become),
            standing.definition,
            facts.units.get(step.service, UnitFacts()),
            host.accelerator,
            standing.running and is_same,
            None if is_same else former.source or "",
        )
