"""Changes written into the operator's own file: the changed values only, the previous file kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fleet.errors import UsageError
from fleet.files import beside
from fleet.inventory.changes import (
    Change,
    Disable,
    Enable,
    Move,
    Restart,
    Serve,
    SetArgument,
    apply,
    check_claims,
    sentence,
    touched,
)
from fleet.inventory.loading import load_text
from fleet.inventory.nodes import Entry, MappingNode, dereferenced, plain, trail
from fleet.inventory.problems import FleetFileError
from fleet.inventory.reading import BYTE_ORDER_MARK, read, read_text
from fleet.inventory.replicas import keys_of
from fleet.inventory.scalars import written
from fleet.inventory.splices import indent, line_end, with_entry, with_first_entry, with_value, without
from fleet.model import Place, Scalar


def edited(text: str, changes: Sequence[Change], path: Path = Path("fleet.yaml")) -> str:
    """The text of a fleet file after the changes; comments, order, quotes and indentation stay as they are.

    What comes out is read again and compared with what the changes mean before it is given back.

    Args:
        text: A fleet file.
        changes: In order, as `fleet.inventory.changes.apply` takes them.
        path: Where the text stands, for messages.

    Raises:
        FleetFileError: The text is no fleet file.
        UsageError: A change makes no sense, two models would share a port or a service, or the text is written so
            that more than it would change, such as one value that two models share by an alias.
    """
    meant = apply(load_text(text, path), changes)
    check_claims(meant)
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    result = text.removeprefix(mark)
    for change in changes:
        name = touched(meant, change)[0]
        result = _after(result, replace(change, model=name), keys_of(meant, name), path)
    try:
        faithful = load_text(result, path) == meant
    except FleetFileError:
        faithful = False
    if not faithful:
        raise UsageError(
            f"{path} is written so that gpudeck cannot change these values and nothing else.",
            f"Change it by hand: {'; '.join(map(sentence, changes))}.",
        )
    return mark + result


def save(path: Path, old_text: str, new_text: str) -> None:
    """Put the new text into the file at once, its mode kept, and the previous one beside it under ``NAME~``.

    Raises UsageError where the file no longer holds ``old_text``, or cannot be written; it is untouched then.
    """
    target = path.resolve()
    try:
        with beside(target, old_text) as previous, beside(target, new_text) as new:
            if read_text(target) != old_text:
                raise UsageError(f"{path} was changed meanwhile and is left as it is.", "Look at it and try again.")
            previous.replace(target.with_name(f"{target.name}~"))
            new.replace(target)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def _after(text: str, change: Change, keys: Sequence[str], path: Path) -> str:
    """The text after one change of what stands under these keys."""
    root = read(text, path).root
    entry = trail(root, keys)[-1] if root else None
    model = dereferenced(entry.value) if entry else None
    if entry is None or not isinstance(model, MappingNode):
        raise AssertionError("a file that loads has its models")
    match change:
        case Move(place=place):
            return _with_place(text, model, place)
        case SetArgument(flag=flag, value=None):
            return _without_argument(text, model, flag)
        case SetArgument(flag=flag, value=value):
            return _with_argument(text, entry, model, flag, value)
        case Serve(source=source):
            return _with_source(text, model, source)
        case Enable():
            return _enabled(text, model)
        case Disable():
            return _disabled(text, model)
        case Restart():
            return text


def _with_place(text: str, model: MappingNode, place: Place) -> str:
    entry, engine = model.get("place"), model.get("engine")
    if entry:
        same = Place.parse(str(plain(entry.value))) == place
        return text if same else with_value(text, model, entry, str(place))
    assert engine, "a model has its engine"
    return with_entry(text, model, engine, f"place: {written(str(place), flow=model.flow)}")


def _with_source(text: str, model: MappingNode, source: str) -> str:
    entry, engine = model.get("source"), model.get("engine")
    if entry:
        return text if plain(entry.value) == source else with_value(text, model, entry, source)
    assert engine, "a model has its engine"
    return with_entry(text, model, engine, f"source: {written(source, flow=model.flow)}")


def _enabled(text: str, model: MappingNode) -> str:
    entry = model.get("enabled")
    if entry is None or plain(entry.value) is True:
        return text
    end = entry.value.span.end
    remark = text[end : line_end(text, end)].strip()
    return with_value(text, model, entry, True) if remark else without(text, model, entry)


def _disabled(text: str, model: MappingNode) -> str:
    entry = model.get("enabled")
    if entry is None:
        names = [entry.key.text for entry in model.entries]
        last = names.index("args") - 1 if "args" in names[1:] else -1
        return with_entry(text, model, model.entries[last], "enabled: false")
    return with_value(text, model, entry, False) if plain(entry.value) is True else text


def _with_argument(text: str, entry: Entry, model: MappingNode, flag: str, value: Scalar) -> str:
    step = 0 if model.flow else indent(model) + 1 - entry.key.span.column
    args = model.get("args")
    if args is None:
        line = f"{flag}: {written(value, flow=model.flow)}"
        body = f"args: {{{line}}}" if model.flow else f"args:\n{' ' * step}{line}"
        return with_entry(text, model, model.entries[-1], body)
    mapping = dereferenced(args.value)
    if not isinstance(mapping, MappingNode) or not mapping.entries:
        return with_first_entry(text, model, args, f"{flag}: {written(value, flow=True)}", step)
    found = mapping.get(flag)
    if found is None:
        return with_entry(text, mapping, mapping.entries[-1], f"{flag}: {written(value, flow=mapping.flow)}")
    old = plain(found.value)
    return text if (type(old), old) == (type(value), value) else with_value(text, mapping, found, value)


def _without_argument(text: str, model: MappingNode, flag: str) -> str:
    args = model.get("args")
    mapping = dereferenced(args.value) if args else None
    found = mapping.get(flag) if isinstance(mapping, MappingNode) else None
    if args is None or not isinstance(mapping, MappingNode) or found is None:
        return text
    remarked = "#" in text[args.key.span.end : found.key.span.start]
    if len(mapping.entries) == 1 and not remarked:
        return without(text, model, args)
    return without(text, mapping, found)
