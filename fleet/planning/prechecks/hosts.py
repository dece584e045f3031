"""What on a host would stop a plan halfway: its ports, its units with all that goes along, its paths and its room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fleet.commands import Reader
from fleet.findings import Finding, Severity, Tense
from fleet.inventory import Inventory
from fleet.model import Model
from fleet.planning.plan import Action, Plan, Step
from fleet.planning.prechecks.host_facts import (
    PathFacts,
    UnitFacts,
    active_command,
    parse_active,
    parse_paths,
    parse_ports,
    parse_units,
    paths_command,
    ports_command,
    units_command,
)
from fleet.services import Service
from fleet.services.quadlet import Quadlet
from fleet.services.registry import service_named, service_of
from fleet.services.systemd import Systemd
from fleet.units import MiB, duration, gib_text

_ROOM = 16 * MiB
"""What an overlay, a lock and a line in the log need, many times over."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of one host."""

    units: Mapping[str, UnitFacts] = field(default_factory=dict)
    """By the service's name."""
    active: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    paths: Mapping[str, PathFacts] = field(default_factory=dict)


async def read(steps: tuple[Step, ...], models: Mapping[str, Model], reader: Reader) -> Facts:
    """What decides on the steps of one host, and on their models as they are afterwards."""
    units: dict[str, UnitFacts] = {}
    active: frozenset[str] = frozenset()
    for user in (False, True):
        services = {step.service: unit for step in steps if (unit := _unit(step.service)) and unit.manager.user is user}
        if not services:
            continue
        systemctl = next(iter(services.values())).manager.systemctl
        names = [unit.unit for unit in services.values()]
        printed = parse_units(names, await reader.read(units_command(systemctl, names)))
        units |= {service: printed[unit.unit] for service, unit in services.items() if unit.unit in printed}
        others = sorted({name for unit in printed.values() for name in (*unit.stops, *unit.starts, *unit.conflicts)})
        if others:
            active |= parse_active(others, await reader.read(active_command(systemctl, others)))
    paths = _paths(steps, models, units)
    return Facts(
        units,
        active,
        parse_ports(await reader.read(ports_command())),
        parse_paths(paths, await reader.read(paths_command(paths))) if paths else {},
    )


def _unit(written: str) -> Systemd | Quadlet | None:
    service: Service = service_named(written, "none")
    return service if isinstance(service, Systemd | Quadlet) else None


def _paths(steps: Iterable[Step], models: Mapping[str, Model], units: Mapping[str, UnitFacts]) -> list[str]:
    paths: list[str] = []
    for step in steps:
        if step.action is Action.START:
            paths += _sources(models[step.model], step)
            paths += units[step.service].environment_files if step.service in units else ()
        paths += _written(step)
    return list(dict.fromkeys(paths))


def _sources(model: Model, step: Step) -> list[str]:
    """The file or folder a model is loaded from, where it is the host's own; a container has its own tree."""
    here = step.service.startswith("systemd") and model.source is not None and model.source.startswith("/")
    return [model.source] if here and model.source else []


def _written(step: Step) -> list[str]:
    """The files a step writes."""
    return [command.words[-1] for command in step.commands if command.stdin and "tee" in command.words]


def check(
    plan: Plan, steps: tuple[Step, ...], facts: Facts, before: Inventory, models: Mapping[str, Model]
) -> Iterator[Finding]:
    """What is wrong with the steps of one host, the fleet running as it was before."""
    host = steps[0].host
    owners = _owners(before, host)
    touched = {known.unit for known in map(_unit, {step.service for step in steps}) if known}
    serving = {former.model for former in plan.formers if former.running and former.host == host}
    taken = {port for m in before.placed if m.name in serving and (port := _port(m))}
    full: set[str] = set()
    for step in steps:
        unit = facts.units.get(step.service, UnitFacts())
        if step.action is Action.START:
            yield from _port_taken(step, models[step.model], facts.ports - taken)
            yield from _too_slow(step, unit, plan)
            yield from _missing(step, models[step.model], unit, facts.paths)
            yield from _also_stopped(step, unit.conflicts, facts.active - touched, owners, "starting")
            yield from _also_started(step, unit.starts, facts.active | touched, owners)
        if step.action is Action.STOP:
            yield from _also_stopped(step, unit.stops, facts.active - touched, owners, "stopping")
        for path in _written(step):
            free = facts.paths.get(path, PathFacts()).free_bytes
            folder = path.rpartition("/")[0]
            if free is not None and free < _ROOM and folder not in full:
                full.add(folder)
                yield _finding("PRE003", step, f"{host} has {gib_text(free)} left where {folder} is to be written.")


def _owners(inventory: Inventory, host: str) -> dict[str, str]:
    """Models by their units on that host."""
    found = {}
    for model in inventory.placed:
        service = service_of(model, "none") if model.place and model.place.host == host else None
        if isinstance(service, Systemd | Quadlet):
            found[service.unit] = model.name
    return found


def _port(model: Model) -> int | None:
    return urlsplit(model.url).port if model.url else None


def _port_taken(step: Step, model: Model, taken: frozenset[int]) -> Iterator[Finding]:
    port = _port(model)
    if port in taken:
        yield _finding(
            "PRE001", step, f"port {port} on {step.host} is taken by something that is no model of this plan."
        )


def _too_slow(step: Step, unit: UnitFacts, plan: Plan) -> Iterator[Finding]:
    loads = [other.seconds for other in plan.steps if other.action is Action.WAIT and other.model == step.model]
    if unit.waits and unit.start_seconds is not None and unit.start_seconds < max(loads, default=0):
        yield _finding(
            "PRE002",
            step,
            f"its unit's start may take {duration(unit.start_seconds)} (TimeoutStartSec=) and its load takes about "
            f"{duration(max(loads))}, so systemd would end it while it loads.",
        )


def _missing(step: Step, model: Model, unit: UnitFacts, paths: Mapping[str, PathFacts]) -> Iterator[Finding]:
    for path in unit.environment_files:
        seen = paths.get(path, PathFacts())
        if seen.missing:
            yield _finding("PRE004", step, f"{path} is not on {step.host}, and its unit does not start without it.")
        if seen.open_secrets:
            names = ", ".join(seen.open_secrets)
            message = f"every user of {step.host} can read {names} in {path}; `chmod 600` it."
            yield _finding("PRE006", step, message, Severity.WARNING)
    for path in _sources(model, step):
        if paths.get(path, PathFacts()).missing:
            yield _finding("PRE004", step, f"{path}, its source, is not on {step.host}.")


def _also_stopped(
    step: Step, others: Iterable[str], running: frozenset[str], owners: Mapping[str, str], verb: str
) -> Iterator[Finding]:
    for other in others:
        if other in running:
            whose = f", which serves {owners[other]}" if other in owners else ""
            severity = Severity.ERROR if other in owners else Severity.WARNING
            message = f"{verb} it on {step.host} also stops {other}{whose}, and nothing in the plan starts that again."
            yield _finding("PRE005", step, message, severity)


def _also_started(
    step: Step, others: Iterable[str], running: frozenset[str], owners: Mapping[str, str]
) -> Iterator[Finding]:
    for other in others:
        if other in owners and other not in running:
            message = f"starting it on {step.host} also starts {other}, which serves {owners[other]}, at the same time."
            yield _finding("PRE005", step, message)


def _finding(code: str, step: Step, message: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code, severity, Tense.DRAFT, message, model=step.model, host=step.host)
