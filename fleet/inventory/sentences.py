"""What is wrong with an entry of the fleet file, in the words of people who write one."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args, get_origin

from fleet.inventory.nodes import MappingNode, Node, ScalarNode, SequenceNode, dereferenced
from fleet.inventory.problems import did_you_mean
from fleet.inventory.schema import FleetEntry
from fleet.inventory.sections.entry import Entry
from fleet.inventory.sections.models import ModelEntry, ReplicaEntry
from fleet.text import clean

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_FREE_TEXT = ("fleet", "note", "notes", "role", "source")
"""Keys whose value may be any text, so that a number only lacks its quotes."""


def subject(keys: tuple[str, ...]) -> str:
    """What stands under these keys, in words: ``place of llama-3.1-8b``."""
    match keys:
        case ("hosts", host):
            return f"host {host}"
        case ("hosts", host, "notes", index):
            return f"note {index} of host {host}"
        case ("hosts", host, key, *_):
            return f"{key} of host {host}"
        case ("models", model):
            return f"model {model}"
        case ("models", model, "args", flag):
            return f"{flag} of {model}"
        case ("models", model, "ignore", code):
            return f"the reason {model} ignores {code}"
        case ("models", model, "fit", key):
            return f"{key} in fit of {model}"
        case ("models", model, "replicas", number):
            return f"copy {int(number) + 2} of {model}"
        case ("models", model, "replicas", number, key, *_):
            return f"{key} of copy {int(number) + 2} of {model}"
        case ("models", model, key, *_):
            return f"{key} of {model}"
        case ("findings", "severity", code):
            return f"severity of {code}"
        case ("policy", "utilization", number):
            return f"size class {int(number) + 1}"
        case ("policy", "utilization", number, key):
            return f"{key} of size class {int(number) + 1}"
        case ("policy", "redundancy", role):
            return f"redundancy of {role}"
        case ("policy", "rebalance", "restart_of", role):
            return f"restart_of {role}"
        case ("policy", "rebalance", key):
            return f"{key} of rebalance"
        case ("policy", "windows", "open", number):
            return f"window {int(number) + 1}"
        case ("policy", "windows", key):
            return f"{key} of windows"
        case ("telemetry", "hosts", host):
            return f"host {host} of telemetry"
        case ("telemetry", "match", label):
            return f"label {label} of telemetry"
        case ("alerts", "rules", rule):
            return f"rule {rule}"
        case ("alerts", "rules", rule, key):
            return f"{key} of rule {rule}"
        case ("autopilot", "rotation", model):
            return f"rotation of {model}"
        case ("autopilot", "rotation", model, *_, key):
            return f"{key} in rotation of {model}"
        case ("autopilot", "roles", role):
            return f"role {role} of autopilot"
        case ("autopilot", "roles", role, key):
            return f"{key} of role {role}"
        case ("alerts" | "autopilot" | "findings" | "policy" | "telemetry" as part, key, *_):
            return f"{key} of {part}"
        case (key,):
            return key
    return "the file"


def sentence(error: ErrorDetails, keys: tuple[str, ...], node: Node | None) -> str:
    """One of pydantic's errors as a sentence.

    Args:
        error: As pydantic tells it.
        keys: Where it stands, from the top of the file; ``[key]`` at the end where a key is wrong.
        node: What the file says there, None where it says nothing.
    """
    match error["type"]:
        case "value_error":
            what = subject(keys[:-2] if keys[-1] == "[key]" else keys)
            return f"{what}: {error['ctx']['error']}."
        case "missing":
            return f"{subject(keys[:-1])} needs {keys[-1]}: {_about(keys)}."
        case "extra_forbidden":
            return f"{subject(keys[:-1])} has no key {keys[-1]!r}; {_instead(keys)}"
        case "too_short":
            return f"{subject(keys)} needs at least one entry."
    return f"{subject(keys)} must be {_wanted(error)}, {_found(node)}{_hint(error, keys, node)}."


def _field(keys: tuple[str, ...]) -> tuple[type[Entry], str]:
    """The innermost entry of the schema these keys lead into, and the key of it that is meant."""
    entry: type[Entry] = FleetEntry
    while True:
        key, *keys_below = keys
        field = _fields(entry).get(key)
        inner, levels = _held(field.annotation) if field else (None, 0)
        if inner is None or len(keys_below) <= levels:
            return entry, key
        entry, keys = inner, tuple(keys_below[levels:])


def _held(kind: object) -> tuple[type[Entry] | None, int]:
    """The entry a value of that kind is or holds, and how many keys or positions lead to it; None where it has none."""
    if isinstance(kind, type) and issubclass(kind, Entry):
        return kind, 0
    for part in get_args(kind):
        inner, levels = _held(part)
        if inner:
            return inner, levels + (get_origin(kind) in (dict, list))
    return None, 0


def _about(keys: tuple[str, ...]) -> str | None:
    entry, key = _field(keys)
    return _fields(entry)[key].description


def _instead(keys: tuple[str, ...]) -> str:
    entry, key = _field(keys)
    if entry in (ModelEntry, ReplicaEntry) and "-" in key:
        return "the engine's arguments stand under args:."
    return did_you_mean(key, _fields(entry))


def _fields(entry: type[Entry]) -> dict[str, FieldInfo]:
    """The keys an entry may have, as the file writes them."""
    return {field.alias or name: field for name, field in entry.model_fields.items()}


def _wanted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "string_type":
            return "text"
        case "bool_type":
            return "true or false"
        case "int_type":
            return "a whole number"
        case "float_type" | "finite_number":
            return "a number"
        case "list_type":
            return "a list"
        case "greater_than":
            return f"more than {context['gt']:g}"
        case "greater_than_equal":
            return f"{context['ge']:g} or more"
        case "less_than_equal":
            return f"{context['le']:g} or less"
        case "literal_error":
            return str(context["expected"]).replace("'", "")
        case "model_type" | "dict_type":
            return "a mapping of keys to values"
    raise AssertionError(f"no words for {error['type']}")


def _found(node: Node | None) -> str:
    match node and dereferenced(node):
        case MappingNode():
            return "not a mapping"
        case SequenceNode():
            return "not a list"
        case ScalarNode(value=str(text)):
            return f"not the text {clean(text, 60)!r}"
        case ScalarNode(value=value, text=text) if value is not None:
            return f"not {text}"
    return "and is empty"


def _hint(error: ErrorDetails, keys: tuple[str, ...], node: Node | None) -> str:
    """How to make right a value that should have been text."""
    if error["type"] != "string_type":
        return ""
    if keys[-1] in _FREE_TEXT or "notes" in keys:
        given = isinstance(node, ScalarNode) and node.value is not None
        return "; put it in quotes" if given else ""
    return f"; it is {_about(keys)}"
