"""From changes to a plan, or to a diff of the operators' own files. Nothing here can change a host."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from console.session import Session
from fleet.errors import GpudeckError
from fleet.findings import worst_first
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, apply, with_copies
from fleet.planning.giving_back import asked, giving_back
from fleet.planning.patch import patch_of
from fleet.planning.plan import Plan
from fleet.planning.planner import make_plan
from fleet.planning.prechecks import precheck
from fleet.planning.window import outside
from fleet.planning.world import World, read_world

if TYPE_CHECKING:
    from fleet.history.values import Start


async def plan_changes(session: Session, changes: Iterable[Change]) -> Plan:
    """Read the hosts the changes touch, over SSH, and plan. Raises GpudeckError."""
    from console.history.power import recorded_watts

    changes = with_copies(session.inventory, changes)
    world = await _world(session, changes)
    watts = session.peaks.watts if session.peaks else recorded_watts(session.inventory, session.state_folder)
    plan = make_plan(session.inventory, changes, world, starts=recorded_starts(session), watts=watts)
    probes = {host: session.probe(host) for host in plan.hosts}
    found = await precheck(plan, session.inventory, apply(session.inventory, changes), world, probes)
    late = outside(session.inventory.policy.windows, time.time(), plan.seconds) if plan.steps else None
    return replace(plan, findings=worst_first((*plan.findings, *found, *([late] if late else ()))))


def recorded_starts(session: Session) -> tuple[Start, ...]:
    """What the session's history has of starts; nothing where it cannot be read: then loads are reckoned."""
    from console.history.recording import path_of
    from fleet.history.reading import history

    try:
        with history(path_of(session)) as past:
            return past.starts()
    except GpudeckError:
        return ()


async def patch_changes(session: Session, changes: Iterable[Change]) -> tuple[str, tuple[str, ...]]:
    """Read the hosts the changes touch, and write them as a diff of the operators' own files. Raises GpudeckError."""
    folder = session.inventory.path.parent if session.inventory.path else Path()

    def read(path: str) -> str:
        try:
            return (folder / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GpudeckError(f"{path}, which managed: names, cannot be read: {error}.") from None

    changes = with_copies(session.inventory, changes)
    return patch_of(session.inventory, changes, await _world(session, changes), read)


async def changes_giving_back(session: Session) -> tuple[Change, ...]:
    """The changes after which no overlay of ours is needed. Raises GpudeckError."""
    return giving_back(session.inventory, await _world(session, asked(session.inventory)))


async def _world(session: Session, changes: tuple[Change, ...]) -> World:
    await session.reach(_touched(session.inventory, changes))
    probes = {host.name: session.probe(host.name) for host in session.inventory.hosts}
    return await read_world(session.inventory, changes, probes, session.board.snapshots)


def _touched(inventory: Inventory, changes: tuple[Change, ...]) -> set[str]:
    """The hosts on which something is started or stopped."""
    names = {change.model for change in changes}
    models = (*inventory.models, *apply(inventory, changes).models)
    return {model.place.host for model in models if model.name in names and model.place}
