"""The fleet file into an inventory: all of it, or every problem it has with its line and column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fleet.inventory import Host, Inventory, Preferences, Prometheus
from fleet.inventory.alerts import USUAL_RULES, AlertRule, Alerts
from fleet.inventory.autopilot import Autopilot, Rotation, Scaling
from fleet.inventory.checks import complaints
from fleet.inventory.line_ignores import Ignored, line_ignores
from fleet.inventory.nodes import Entry, MappingNode, Node, Plain, ScalarNode, SequenceNode, dereferenced, plain, trail
from fleet.inventory.policy import USUAL_SIZES, Policy, SizeClass
from fleet.inventory.problems import Complaint, FleetFileError, Problem
from fleet.inventory.reading import BYTE_ORDER_MARK, read, read_text
from fleet.inventory.replicas import copies, copy_name
from fleet.inventory.schema import (
    AlertRuleEntry,
    AutopilotEntry,
    FleetEntry,
    HostEntry,
    ModelEntry,
    PolicyEntry,
    WindowsEntry,
)
from fleet.inventory.sentences import sentence
from fleet.model import Arguments, Handling, Least, Model
from fleet.windows import Windows

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FleetFileError", "Problem", "find_fleet_file", "load", "load_text", "model_places"]


def find_fleet_file(
    argument: str | None, environment: Mapping[str, str], cwd: Path, config_folder: Path
) -> Path | None:
    """The fleet file to use: the argument, ``$GPUDECK_FLEET``, ``fleet.yaml`` here, the user's own, or None.

    A file that is named is given back whether it exists or not: `load` says what is wrong with it.
    """
    named = argument or environment.get("GPUDECK_FLEET")
    if named:
        return Path(named)
    found = (folder / "fleet.yaml" for folder in (cwd, config_folder) if (folder / "fleet.yaml").is_file())
    return next(found, None)


def load(path: Path) -> Inventory:
    """Read a fleet file. Raises FleetFileError with every problem it has."""
    return load_text(read_text(path), path)


def load_text(text: str, path: Path) -> Inventory:
    """Read the text of the fleet file at ``path``. Raises FleetFileError with every problem it has."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    document = read(text, path)
    if document.root is None:
        raise FleetFileError(document.problems)
    root = dereferenced(document.root)
    if not isinstance(root, MappingNode):
        raise FleetFileError([*document.problems, _not_a_fleet(root, path)])
    file = plain(root)
    assert isinstance(file, dict)
    entry, found = _shaped(file, root)
    spoken, misunderstood = line_ignores(text, root, _models(root), path) if "gpudeck:" in text else ({}, [])
    problems = [
        *document.problems,
        *misunderstood,
        *(_problem(complaint, root, path) for complaint in (*found, *complaints(file))),
    ]
    if problems or entry is None:
        raise FleetFileError(problems)
    return _inventory(entry, path, spoken)


def model_places(path: Path) -> dict[str, tuple[int, int]]:
    """Line and column, from 1, at which the fleet file names each model. Raises FleetFileError if it is none."""
    root = _root(read_text(path), path)
    found = {}
    for name, entry in _models(root).items():
        found[name] = entry.key.span.line, entry.key.span.column
        replicas = trail(entry.value, ("replicas",))
        listed = dereferenced(replicas[0].value) if replicas else None
        for position, item in enumerate(listed.items if isinstance(listed, SequenceNode) else ()):
            found[copy_name(name, position)] = item.span.line, item.span.column
    return found


def _root(text: str, path: Path) -> Node | None:
    document = read(text.removeprefix(BYTE_ORDER_MARK), path)
    return dereferenced(document.root) if document.root is not None else None


def _models(root: Node | None) -> dict[str, Entry]:
    if not isinstance(root, MappingNode):
        return {}
    models = next((entry.value for entry in root.entries if entry.key.text == "models"), None)
    return {entry.key.text: entry for entry in models.entries} if isinstance(models, MappingNode) else {}


def _not_a_fleet(root: Node, path: Path) -> Problem:
    empty = isinstance(root, ScalarNode) and root.value is None
    what = "the file is empty" if empty else "this is not a fleet file"
    message = f"{what}; it needs fleet: with a name, hosts: and models:."
    return Problem(path, root.span.line, root.span.column, message)


def _shaped(file: dict[str, Plain], root: Node) -> tuple[FleetEntry | None, list[Complaint]]:
    """The file by the schema, or what pydantic finds wrong with it."""
    try:
        return FleetEntry.model_validate(file), []
    except ValidationError as error:
        return None, [_complaint(detail, root) for detail in error.errors(include_url=False)]


def _complaint(detail: ErrorDetails, root: Node) -> Complaint:
    keys = tuple(map(str, detail["loc"]))
    passed = trail(root, keys)
    node = passed[-1].value if len(passed) == len(keys) else None
    of_key = keys[-1] == "[key]" or detail["type"] in ("missing", "extra_forbidden")
    return Complaint(keys, sentence(detail, keys, node), of_key)


def _problem(complaint: Complaint, root: Node, path: Path) -> Problem:
    """A complaint at its place: the value it means, or else the key."""
    passed = trail(root, complaint.keys)
    span = root.span
    if passed:
        key, value = passed[-1].key, passed[-1].value
        empty = value.span.start == value.span.end
        span = key.span if complaint.of_key or empty else value.span
    return Problem(path, span.line, span.column, complaint.message)


def _inventory(entry: FleetEntry, path: Path, spoken: Ignored) -> Inventory:
    return Inventory(
        fleet=entry.fleet,
        hosts=tuple(_host(name, host) for name, host in entry.hosts.items()),
        models=tuple(
            copy
            for name, model in entry.models.items()
            for copy in copies(_model(name, model, spoken.get(name, ()), path.parent), model.replicas)
        ),
        ssh_config=path.parent / Path(entry.ssh_config).expanduser() if entry.ssh_config else None,
        path=path,
        preferences=_preferences(entry),
        policy=_policy(entry.policy),
        prometheus=_prometheus(entry, path),
        alerts=_alerts(entry, path),
        autopilot=_autopilot(entry.autopilot),
    )


def _prometheus(entry: FleetEntry, path: Path) -> Prometheus | None:
    said = entry.telemetry
    if said is None:
        return None
    return Prometheus(
        said.prometheus,
        said.host_label,
        MappingProxyType(said.hosts),
        MappingProxyType(said.match),
        said.token_env,
        path.parent / Path(said.token_file).expanduser() if said.token_file else None,
    )


def _alerts(entry: FleetEntry, path: Path) -> Alerts | None:
    said = entry.alerts
    if said is None:
        return None
    return Alerts(
        rules=tuple(_rule(name, rule) for name, rule in said.rules.items()) or USUAL_RULES,
        bell=said.bell,
        desktop=said.desktop,
        webhook_env=said.webhook_env,
        webhook_file=path.parent / Path(said.webhook_file).expanduser() if said.webhook_file else None,
        quiet=said.quiet,
    )


def _rule(name: str, entry: AlertRuleEntry) -> AlertRule:
    return AlertRule(
        name=name,
        finding=entry.finding,
        state=entry.state,
        quantity=entry.quantity,
        above=entry.above,
        below=entry.below,
        clear=entry.clear,
        seconds=entry.seconds,
        clear_seconds=entry.clear_for,
        severity=entry.severity,
    )


def _preferences(entry: FleetEntry) -> Preferences:
    said = entry.findings
    return Preferences(tuple(said.ignore), tuple(said.severity.items())) if said else Preferences()


def _policy(said: PolicyEntry | None) -> Policy:
    if said is None:
        return Policy()
    return Policy(
        sizes=tuple(SizeClass(each.below, each.low, each.high) for each in said.utilization) or USUAL_SIZES,
        headroom_bytes=said.headroom,
        redundancy=MappingProxyType(said.redundancy),
        energy_price=said.energy_price,
        currency=said.currency or "",
        windows=_windows(said.windows),
    )


def _windows(said: WindowsEntry | None) -> Windows | None:
    return Windows(tuple(said.open), said.zone) if said else None


def _autopilot(said: AutopilotEntry | None) -> Autopilot | None:
    if said is None:
        return None
    return Autopilot(
        said.acts_per_hour,
        said.settle,
        tuple(Rotation(name, _windows(each.hours), each.idle_for) for name, each in said.rotation.items()),
        tuple(
            Scaling(role, each.least, each.most, each.waiting, each.kv_usage, each.seconds, each.idle_for)
            for role, each in said.roles.items()
        ),
    )


def _host(name: str, entry: HostEntry) -> Host:
    return Host(
        name=name,
        address=entry.address or "",
        accelerator_name=entry.accelerator,
        gpus=entry.gpus,
        become=entry.become,
        notes=MappingProxyType(entry.notes),
        production=entry.production,
        power_cap_watts=entry.power_cap,
        price_per_hour=entry.price_per_hour,
    )


def _model(name: str, entry: ModelEntry, spoken: tuple[tuple[str, str], ...], folder: Path) -> Model:
    said = {"restart": entry.restart, "stop": entry.stop, "status": entry.status, "logs": entry.logs}
    commands = tuple((verb, text) for verb, text in said.items() if text is not None)
    return Model(
        name=name,
        engine=entry.engine,
        source=entry.source,
        place=entry.place,
        service=f"command:{name}" if commands else entry.service,
        commands=commands,
        service_template=folder / entry.service_template if entry.service_template else None,
        managed=entry.managed,
        url=entry.url,
        role=entry.role,
        args=Arguments(entry.args),
        memory_bytes=entry.memory,
        enabled=entry.enabled,
        pinned=entry.pin,
        least=Least(entry.fit.min_max_model_len, entry.fit.min_concurrency) if entry.fit else None,
        note=entry.note,
        handling=_handling(entry),
        ignored=(*entry.ignore.items(), *spoken),
    )


def _handling(entry: ModelEntry) -> Handling:
    router = entry.router
    return Handling(
        drain=entry.drain,
        drain_seconds=entry.drain_timeout,
        router_remove=router.remove if router else None,
        router_add=router.add if router else None,
        router_reload=router.reload if router else None,
        health=entry.health,
        warmup=entry.warmup,
        start_seconds=entry.start_timeout,
    )
