"""The pages of `docs/` that are made from gpudeck itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from console.reference.commands import commands
from console.reference.manual import manual

if TYPE_CHECKING:
    from console.keys import Key

_MADE = "<!-- Made by `python -m console.reference`; a test compares. -->\n\n"


def findings() -> str:
    """Every kind of finding, from the registry."""
    from fleet.findings.registry import RULES

    body = "\n".join(
        f"## {rule.code}: {rule.title}\n\n"
        f"Usually of severity **{rule.severity}**.\n\n"
        f"{rule.why}\n\n"
        f"**What to do.** {rule.how}\n\n"
        f"**Source.** {rule.source}\n"
        for rule in RULES.values()
    )
    rows = "\n".join(
        f"| [{r.code}](#{_anchor(f'{r.code}: {r.title}')}) | {r.severity} | {r.title} |" for r in RULES.values()
    )
    return (
        f"# Findings\n\n{_MADE}"
        "What gpudeck warns of. `gpudeck explain CODE` prints the same. A finding has a tense: NOW of what runs, DRAFT "
        "of what is staged, WHAT-IF of `gpudeck check --engine`. It is ignored for a model by `ignore: {CODE: reason}` "
        "and in a fleet by `findings: {ignore: [CODE]}`, and has another severity there by "
        "`findings: {severity: {CODE: info}}`.\n\n"
        f"| code | severity | |\n|---|---|---|\n{rows}\n\n{body}"
    )


def _anchor(heading: str) -> str:
    """A heading's anchor, as code hosts make it."""
    kept = "".join(sign for sign in heading.lower() if sign.isalnum() or sign in " -_")
    return kept.replace(" ", "-")


def fleet_file() -> str:
    """Every key of the fleet file, from its schema."""
    from fleet.inventory.schema import schema_json

    schema = schema_json()
    parts = [_object("The file", schema)]
    parts += [_object(title, schema["$defs"][name]) for name, title in _titles(schema).items()]
    return (
        f"# The fleet file\n\n{_MADE}"
        "YAML 1.2: only `true` and `false` are booleans, versions stay text, a key written twice is an error. Anything "
        "unknown or wrong is told with file, line and column, all at once, and nothing is started. `GB` is 10^9 bytes, "
        "`GiB` 2^30. gpudeck changes only the values a rollout changed, and leaves every comment where it is. "
        "[The demo's file](../fleet/simulator/fleet.yaml) is an example; `gpudeck init HOST…` writes one.\n\n"
        + "\n".join(parts)
    )


def _titles(schema: Mapping[str, Any]) -> dict[str, str]:
    """A heading for each kind of entry: where it stands, in the order in which one meets it."""
    found: dict[str, str] = {}

    def walk(entry: Mapping[str, Any], path: str) -> None:
        for key, value in entry.get("properties", {}).items():
            for reference, more in _references(value):
                if reference not in found:
                    found[reference] = f"{path}{key}{more}"
                    walk(schema["$defs"][reference], f"{path}{key}{more}.")

    walk(schema, "")
    return {name: f"`{path}`" for name, path in found.items()}


def _references(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The entries a key holds: their name, and how they are reached from it."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], ""
    for part in value.get("anyOf", ()):
        yield from _references(part)
    others = value.get("additionalProperties")
    for part in (*value.get("patternProperties", {}).values(), *([others] if isinstance(others, dict) else ())):
        yield from ((name, f".NAME{more}") for name, more in _references(part))
    if "items" in value:
        yield from ((name, f"[]{more}") for name, more in _references(value["items"]))


def _object(title: str, entry: Mapping[str, Any]) -> str:
    required = entry.get("required", ())
    rows = "\n".join(
        f"| `{key}` | {_kind(value)} | {_default(value, must=key in required)} | {_cell(value['description'])} |"
        for key, value in entry["properties"].items()
    )
    about = f"{entry['description']}\n\n" if "description" in entry else ""
    return f"## {title}\n\n{about}| key | value | default | |\n|---|---|---|---|\n{rows}\n"


def _kind(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(part) for part in value["anyOf"] if part.get("type") != "null"))
    if "items" in value:
        return f"list of {_kind(value['items'])}"
    if "patternProperties" in value:
        kinds = dict.fromkeys(_kind(part) for part in value["patternProperties"].values())
        return f"mapping of {' or '.join(kinds)}"
    if isinstance(value.get("additionalProperties"), dict):
        return f"mapping of {_kind(value['additionalProperties'])}"
    bounds = _bounds(value)
    name = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}.get(value.get("type", ""), "")
    return f"{name or value.get('type', 'entry')}{bounds}" if "$ref" not in value else "entry"


def _bounds(value: Mapping[str, Any]) -> str:
    low, above, high = (value.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    parts = [
        f"from {low}" if low is not None else f"above {above}" if above is not None else "",
        f"to {high}" if high is not None else "",
    ]
    said = " ".join(filter(None, parts))
    return f" {said}" if said else ""


def _default(value: Mapping[str, Any], *, must: bool) -> str:
    if must:
        return "needed"
    default = value.get("default")
    written = str(default).lower() if isinstance(default, bool) else default
    return "" if default is None or default == {} or default == [] else f"`{written}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def keys() -> str:
    """Every key of the console, from its one table."""
    from console.keys import KEYS, Where

    tables = (_keys_of(where, [key for key in KEYS if key.where is where]) for where in Where)
    return (
        f"# Keys\n\n{_MADE}"
        "`?` shows the keys of where you are. With `--read-only` a console has no key that takes an operator: "
        "none that carries a plan out, and none of rollouts.\n\n" + "\n".join(tables)
    )


def _keys_of(where: str, found: Sequence[Key]) -> str:
    rows = []
    for what, same in groupby(found, key=lambda key: key.help):
        alike = list(same)
        pressed = " ".join(f"`{name}`" for key in alike for name in key.all_shown)
        ids = " … ".join(dict.fromkeys((f"`{alike[0].id}`", f"`{alike[-1].id}`")))
        rows.append(f"| {pressed} | {_cell(what)} | {ids} |\n")
    return f"## {where.capitalize()}\n\n| key | what it does | id |\n|---|---|---|\n{''.join(rows)}"


PAGES: Mapping[str, Callable[[], str]] = {
    "findings.md": findings,
    "fleet-file.md": fleet_file,
    "keys.md": keys,
    "gpudeck.1": lambda: manual(commands()),
}
"""Each page's text, by its name in `docs/`."""
