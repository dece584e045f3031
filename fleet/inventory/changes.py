"""What an operator can change about a fleet, one value at a time, and the fleet after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.inventory.claims import claims, clashes
from fleet.inventory.replicas import sharing
from fleet.model import Arguments, Model, Place, Scalar
from fleet.text import clean


@dataclass(frozen=True, slots=True)
class Move:
    """Run a model in another place."""

    model: str
    place: Place


@dataclass(frozen=True, slots=True)
class SetArgument:
    """Give one of a model's engine arguments another value; None takes the argument away."""

    model: str
    flag: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve a model from another checkpoint: a Hugging Face id, or a file or folder of its host."""

    model: str
    source: str


@dataclass(frozen=True, slots=True)
class Enable:
    """Run a disabled model."""

    model: str


@dataclass(frozen=True, slots=True)
class Disable:
    """Stop a model and keep it stopped."""

    model: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Stop and start a model as it is."""

    model: str


Change = Move | SetArgument | Serve | Enable | Disable | Restart


def apply(inventory: Inventory, changes: Iterable[Change]) -> Inventory:
    """The fleet after the changes, in order. Raises UsageError where one does not make sense."""
    models = {model.name: model for model in inventory.models}
    for change in changes:
        if change.model not in models:
            raise UsageError(
                f"There is no model {change.model!r} in this fleet.", f"It has {', '.join(models) or 'none'}."
            )
        for name in touched(inventory, change):
            models[name] = _changed(inventory, models[name], change)
    return replace(inventory, models=tuple(models.values()))


def touched(inventory: Inventory, change: Change) -> tuple[str, ...]:
    """The models a change is of: arguments and checkpoint are those of all copies of an entry."""
    return sharing(inventory, change.model) if isinstance(change, SetArgument | Serve) else (change.model,)


def with_copies(inventory: Inventory, changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes with one for every copy of what its copies share."""
    found = (replace(change, model=name) for change in changes for name in touched(inventory, change))
    return tuple(dict.fromkeys(found))


def check_claims(inventory: Inventory) -> None:
    """Raise UsageError where two enabled models claim one port or one service: no fleet file may say that."""
    running = ((model.name, claims(model.place, model.url, model.service)) for model in inventory.placed if model.place)
    for clash in clashes(running):
        raise UsageError(
            f"{clash.model} and {clash.other} would share {clash.claim.what}.",
            f"Give one of them another {clash.claim.key}, or disable it.",
        )


def _changed(inventory: Inventory, model: Model, change: Change) -> Model:
    match change:
        case Move(place=place):
            return replace(model, place=_checked(inventory, place))
        case SetArgument(flag=flag, value=value):
            return replace(model, args=_with_argument(model, flag, value))
        case Serve(source=source):
            return replace(model, source=_checked_source(model, source))
        case Enable():
            if model.place is None:
                raise UsageError(
                    f"{model.name} has no place to run.", f"Give it one first: --move {model.name}=HOST/GPU."
                )
            return replace(model, enabled=True)
        case Disable():
            return replace(model, enabled=False)
        case Restart():
            return model


def _with_argument(model: Model, flag: str, value: Scalar) -> Arguments:
    from fleet.inventory import fields  # all that a fleet file may say; a first picture needs none of it

    if value is None:
        return model.args.replace(flag, None) if flag in model.args else model.args
    try:
        fields.checked_spelling(fields.checked_flag(flag), model.engine.name)
        fields.checked_type(fields.checked_argument(value), flag, model.engine.name)
    except ValueError as error:
        raise UsageError(f"{model.name} cannot be given {clean(flag)}: {error}.") from error
    return model.args.replace(flag, value)


def _checked_source(model: Model, source: str) -> str:
    from fleet.inventory import fields

    try:
        return fields.checked_line(source)
    except ValueError as error:
        raise UsageError(
            f"{model.name} cannot be served from another checkpoint: {error}.",
            "Write a Hugging Face id, such as Qwen/Qwen3-32B-FP8, or a path on its host.",
        ) from None


def _checked(inventory: Inventory, place: Place) -> Place:
    try:
        host = inventory.host(place.host)
    except KeyError:
        known = ", ".join(host.name for host in inventory.hosts)
        raise UsageError(f"There is no host {place.host!r} in this fleet.", f"It has {known}.") from None
    if place.gpus[-1] >= host.gpus:
        raise UsageError(f"{place} is beyond {host.name}, whose GPUs are {host.name}/0 to {host.name}/{host.gpus - 1}.")
    return place


def assignments(changes: Iterable[Change]) -> Mapping[str, Scalar]:
    """The changes as ``{"MODEL.ARG": value}``; ``place``, ``source``, ``enabled`` and ``restart`` are further ARGs."""
    result: dict[str, Scalar] = {}
    for change in changes:
        match change:
            case Move(place=place):
                result[f"{change.model}.place"] = str(place)
            case SetArgument(flag=flag, value=value):
                result[f"{change.model}.{flag}"] = value
            case Serve(source=source):
                result[f"{change.model}.source"] = source
            case Enable():
                result[f"{change.model}.enabled"] = True
            case Disable():
                result[f"{change.model}.enabled"] = False
            case Restart():
                result[f"{change.model}.restart"] = True
    return result


def sentence(change: Change) -> str:
    """The change in words: ``move qwen3-32b to gpu01/7``."""
    match change:
        case Move(place=place):
            return f"move {change.model} to {place}"
        case SetArgument(flag=flag, value=None):
            return f"remove {flag} from {change.model}"
        case SetArgument(flag=flag, value=value):
            from fleet.secrets import MASK, is_secret  # its patterns; a first picture has no changes to tell of

            return f"set {flag} of {change.model} to {MASK if is_secret(flag) else value}"
        case Serve(source=source):
            return f"serve {source} as {change.model}"
        case Enable():
            return f"enable {change.model}"
        case Disable():
            return f"disable {change.model}"
        case Restart():
            return f"restart {change.model}"
