"""The fleet file into an inventory: all of it, or every problem it has with its line and column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fleet.inventory import Inventory
from fleet.inventory.checks import complaints
from fleet.inventory.line_ignores import Ignored, line_ignores
from fleet.inventory.nodes import Entry, MappingNode, Node, Plain, ScalarNode, SequenceNode, dereferenced, plain, trail
from fleet.inventory.problems import Complaint, FleetFileError, Problem
from fleet.inventory.reading import BYTE_ORDER_MARK, read, read_text
from fleet.inventory.replicas import copies, copy_name
from fleet.inventory.schema import FleetEntry
from fleet.inventory.sections.alerts import alerts
from fleet.inventory.sections.autopilot import autopilot
from fleet.inventory.sections.findings import preferences
from fleet.inventory.sections.hosts import host
from fleet.inventory.sections.models import model
from fleet.inventory.sections.policy import policy
from fleet.inventory.sections.telemetry import prometheus
from fleet.inventory.sentences import sentence

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FleetFileError", "Problem", "load", "load_text", "model_places"]


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
    folder = path.parent
    return Inventory(
        fleet=entry.fleet,
        hosts=tuple(host(name, said) for name, said in entry.hosts.items()),
        models=tuple(
            copy
            for name, said in entry.models.items()
            for copy in copies(model(name, said, spoken.get(name, ()), folder), said.replicas)
        ),
        ssh_config=folder / Path(entry.ssh_config).expanduser() if entry.ssh_config else None,
        path=path,
        preferences=preferences(entry.findings),
        policy=policy(entry.policy),
        prometheus=prometheus(entry.telemetry, folder),
        alerts=alerts(entry.alerts, folder),
        autopilot=autopilot(entry.autopilot),
    )
