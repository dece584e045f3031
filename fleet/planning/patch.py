"""The change to a file of the operators' own repository, for services that are managed from there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import unified_diff

from fleet.errors import GpudeckError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Move, Serve, SetArgument, apply
from fleet.model import Scalar
from fleet.planning.overlays import pins
from fleet.planning.world import World

_VISIBLE = re.compile(r"\b((?:ROCR|HIP|CUDA)_VISIBLE_DEVICES)(\s*[:=]\s*)([\"']?)([^\"'\s]*)\3")


def patch_of(
    inventory: Inventory, changes: Iterable[Change], world: World, read: Callable[[str], str]
) -> tuple[str, tuple[str, ...]]:
    """The changes as one unified diff of the files that ``managed:`` names.

    Args:
        inventory: The fleet as it runs.
        changes: What is to change.
        world: What was read of the hosts for these changes.
        read: Gives the text of a file by its path as the fleet file writes it.

    Returns:
        The diff, and what it does not hold, a sentence each: models managed by gpudeck itself, and changes that are
        none of a file.

    Raises:
        GpudeckError: A file cannot be read, or does not say a value in one place.
    """
    changes = tuple(changes)
    after = apply(inventory, changes)
    texts: dict[str, tuple[str, str]] = {}
    left: list[str] = []
    for change in changes:
        path = after.model(change.model).managed
        if path is None:
            left.append(f"{change.model} is changed by gpudeck itself: `gpudeck apply`.")
            continue
        old, new = texts.get(path) or (read(path),) * 2
        match change:
            case SetArgument(model, flag, value):
                new = _with_argument(new, flag, inventory.model(model).args.get(flag), value, path)
            case Serve(model, source):
                new = _with_source(new, inventory.model(model).source, source, path)
            case Move(model, place):
                accelerator = inventory.host(place.host).accelerator
                new = _with_variables(new, pins(place.gpus, world.identities(place.host), accelerator), path)
            case _:
                left.append(f"{change.model} is started and stopped on its host, which changes no file.")
        texts[path] = (old, new)
    return "".join(_diff(path, old, new) for path, (old, new) in texts.items()), tuple(left)


def _diff(path: str, old: str, new: str) -> str:
    lines = unified_diff(old.splitlines(True), new.splitlines(True), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _with_argument(text: str, flag: str, old: Scalar, new: Scalar, path: str) -> str:
    """The text with the flag's value changed where it is said: ``--max-model-len 8192``, ``max_model_len: 8192`` …"""
    name = re.escape(flag).replace(r"\-", "[-_]")
    said = "true" if old is True else "false" if old is False else str(old)
    pattern = rf"(?<![\w-])((?:--)?{name}(?:[\"']?\s*[:=,]\s*|\s+))([\"']?){re.escape(said)}\2(?![\w.])"
    found = list(re.finditer(pattern, text)) if old is not None else []
    if len(found) != 1 or new is None or isinstance(new, bool) is not isinstance(old, bool):
        raise _not_once(path, f"--{flag}", str(old) if old is not None else None, str(new))
    written = "true" if new is True else "false" if new is False else str(new)
    quote = found[0][2]
    return f"{text[: found[0].start(2)]}{quote}{written}{quote}{text[found[0].end() :]}"


def _with_source(text: str, old: str | None, new: str, path: str) -> str:
    """The text with the checkpoint's name changed where it is said."""
    found = list(re.finditer(rf"(?<![\w./-]){re.escape(old)}(?![\w./-])", text)) if old else []
    if len(found) != 1:
        raise _not_once(path, "its source", old, new)
    return f"{text[: found[0].start()]}{new}{text[found[0].end() :]}"


def _with_variables(text: str, variables: dict[str, str | None], path: str) -> str:
    """The text with the one variable that chooses its GPUs replaced by the one that names them by their ids."""
    found = list(_VISIBLE.finditer(text))
    (name, value), *_ = ((name, value) for name, value in variables.items() if value and name.endswith("_DEVICES"))
    if len(found) != 1:
        raise _not_once(path, name, None, value)
    _, separator, quote, _ = found[0].groups()
    return f"{text[: found[0].start()]}{name}{separator}{quote}{value}{quote}{text[found[0].end() :]}"


def _not_once(path: str, what: str, old: str | None, new: str) -> GpudeckError:
    said = f"{what} {old}" if old else what
    return GpudeckError(
        f"{path} does not say {said} in exactly one place, so what to change there is not sure.",
        f"Write {what} {new} into it by hand.",
    )
