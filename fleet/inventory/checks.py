"""What no single value of a fleet file shows: places that do not exist, ports taken twice, values missing.

The checks look at what can be read of each entry, so that one wrong value does not hide another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from fleet.commands import Template
from fleet.inventory import fields
from fleet.inventory.claims import claims, clashes
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean
from fleet.inventory.replicas import copy_name
from fleet.inventory.sections import alerts, autopilot, findings, policy, telemetry
from fleet.model import Engine, Place

_T = TypeVar("_T")

_NEEDS_SOURCE = ("vllm", "llama.cpp", "sglang")
"""Engines whose memory follows from what they load."""
_READS_SOURCE = ("text-embeddings-inference", "infinity", "whisper", "exllamav2")
"""Engines whose memory follows from their source where it is known, so that either is enough."""

_VERBS = ("restart", "stop", "status", "logs")
"""The commands of a model that no service manager runs; the first three are needed."""
_HANDLING = (("drain",), ("health",), ("warmup",), ("router", "add"), ("router", "remove"), ("router", "reload"))
"""The commands that take a model out of service and bring it back."""
_FIELDS = ("model", "host", "gpus", "source", "url", "port", "arguments")
"""What they can be told, beside the model's arguments by their flags."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What can be read of a model's entry; None where it cannot be, or is not given."""

    name: str
    keys: tuple[str, ...]
    """Where it stands."""
    given: frozenset[str]
    engine: Engine | None
    place: Place | None
    url: str | None
    service: str | None
    enabled: bool
    args: Mapping[str, Plain]
    texts: Mapping[str, Plain]
    """Everything it says."""


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Everything that is wrong across the entries of a fleet file."""
    hosts = mapping(file.get("hosts"))
    sizes = {name: _size(host) for name, host in hosts.items()}
    models = [_facts(name, model) for name, model in mapping(file.get("models")).items() if isinstance(model, dict)]
    copies = [copy for model in models for copy in _copies(model)]
    for host, size in sizes.items():
        yield from _notes(host, size, mapping(mapping(hosts[host]).get("notes")))
    for model in models:
        yield from _place(model, sizes)
        yield from _missing(model)
        yield from _commands(model)
        yield from _handling(model)
        yield from _arguments(model)
        yield from _replicas(model, {other.name for other in models})
    for copy in copies:
        yield from _place(copy, sizes)
    yield from _taken_twice([*models, *copies])
    for section in (findings, policy, telemetry, alerts, autopilot):
        yield from section.complaints(file)


def _size(host: Plain) -> int | None:
    gpus = mapping(host).get("gpus")
    return gpus if isinstance(gpus, int) and gpus > 0 and not isinstance(gpus, bool) else None


def _facts(name: str, entry: Mapping[str, Plain], keys: tuple[str, ...] = ()) -> _Facts:
    return _Facts(
        name=name,
        keys=keys or ("models", name),
        given=frozenset(entry),
        engine=_if_readable(Engine.parse, entry.get("engine")),
        place=_if_readable(Place.parse, entry.get("place")),
        url=_if_readable(fields.checked_url, entry.get("url")),
        service=_if_readable(fields.checked_service, entry.get("service")),
        enabled=entry.get("enabled", True) is True,
        args=mapping(entry.get("args")),
        texts=entry,
    )


def _copies(model: _Facts) -> Iterator[_Facts]:
    """Its further copies, which have of it what they do not say themselves."""
    listed = model.texts.get("replicas")
    for position, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, dict):
            own: dict[str, Plain] = {key: model.texts[key] for key in ("service", "url") if key in model.given}
            keys = (*model.keys, "replicas", str(position))
            yield _facts(copy_name(model.name, position), {**own, **entry}, keys)


def _replicas(model: _Facts, names: Collection[str]) -> Iterator[Complaint]:
    copies = [copy.name for copy in _copies(model)]
    keys = (*model.keys, "replicas")
    taken = [name for name in copies if name in names]
    if taken:
        yield Complaint(keys, f"a copy of {model.name} is {taken[0]}, and there is a model of that name.", of_key=True)
    if copies and "fit" in model.given:
        message = f"fit of {model.name}: its copies share their arguments, so none of them is made smaller."
        yield Complaint((*model.keys, "fit"), message, of_key=True)


def _if_readable(parse: Callable[[str], _T], value: Plain | None) -> _T | None:
    try:
        return parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _notes(host: str, size: int | None, notes: Mapping[str, Plain]) -> Iterator[Complaint]:
    for index in notes:
        if size is not None and _if_readable(fields.checked_index, index) is not None and int(index) >= size:
            yield Complaint(
                ("hosts", host, "notes", index),
                f"notes of host {host}: there is no GPU {index}; {_gpus(host, size)}.",
                of_key=True,
            )


def _place(model: _Facts, sizes: Mapping[str, int | None]) -> Iterator[Complaint]:
    if model.place is None:
        return
    keys, host = (*model.keys, "place"), model.place.host
    if host not in sizes:
        yield Complaint(keys, f"place of {model.name}: there is no host {host!r}; {did_you_mean(host, sizes)}")
        return
    size = sizes[host]
    if size is not None and model.place.gpus[-1] >= size:
        yield Complaint(keys, f"place of {model.name}: there is no {_beyond(model.place, size)}; {_gpus(host, size)}.")


def _beyond(place: Place, size: int) -> Place:
    return Place(place.host, tuple(gpu for gpu in place.gpus if gpu >= size))


def _gpus(host: str, size: int) -> str:
    return f"the GPUs of {host} are 0 to {size - 1}" if size > 1 else f"{host} has GPU 0 only"


def _missing(model: _Facts) -> Iterator[Complaint]:
    keys, engine = ("models", model.name), model.engine.name if model.engine else None
    if model.enabled and "place" not in model.given:
        yield Complaint(keys, f"model {model.name} needs a place, such as gpu01/0, or enabled: false.", of_key=True)
    if engine in _NEEDS_SOURCE and "source" not in model.given:
        yield Complaint(keys, f"model {model.name} needs its source: what {engine} loads.", of_key=True)
    if engine and engine not in _NEEDS_SOURCE and model.enabled and "memory" not in model.given:
        if engine not in _READS_SOURCE:
            reason = f"what it takes with {engine} is declared, such as 1.5 GB, not estimated"
            yield Complaint(keys, f"model {model.name} needs memory: {reason}.", of_key=True)
        elif "source" not in model.given:
            reason = "what it takes follows from its source, or is declared, such as 1.5 GB"
            yield Complaint(keys, f"model {model.name} needs a source or memory: {reason}.", of_key=True)


def _commands(model: _Facts) -> Iterator[Complaint]:
    keys = ("models", model.name)
    given = [verb for verb in _VERBS if verb in model.given]
    if not given:
        return
    if "service" in model.given:
        yield Complaint((*keys, given[0]), f"model {model.name} has a service: already, which does that.", of_key=True)
        return
    needed = [verb for verb in _VERBS[:3] if verb not in model.given]
    if needed:
        what = "memory has to be free before another model starts, and somebody has to say whether it runs"
        yield Complaint(keys, f"model {model.name} needs {' and '.join(f'{v}:' for v in needed)} too: {what}.", True)
    for verb in given:
        yield from _fields(model, (verb,), model.texts.get(verb))


def _handling(model: _Facts) -> Iterator[Complaint]:
    for path in _HANDLING:
        value: Plain | None = model.texts.get(path[0])
        yield from _fields(model, path, mapping(value).get(path[1]) if len(path) > 1 else value)


def _fields(model: _Facts, path: tuple[str, ...], value: Plain | None) -> Iterator[Complaint]:
    """The fields of a command that it has no value for."""
    template = _if_readable(Template, value)
    known = {*_FIELDS, *model.args} - ({"url", "port"} if model.url is None else set())
    unknown = sorted((template.fields if template else frozenset()) - known)
    if unknown:
        what = f"{' '.join(path)} of {model.name}"
        message = f"{what}: {{{unknown[0]}}} is neither {', '.join(_FIELDS)} nor one of its args."
        if unknown[0] in ("url", "port"):
            message = f"{what}: {{{unknown[0]}}} has no value, as {model.name} has no url:."
        yield Complaint(("models", model.name, *path), message)


def _arguments(model: _Facts) -> Iterator[Complaint]:
    engine = model.engine.name if model.engine else ""
    for flag, value in model.args.items():
        keys = ("models", model.name, "args", flag)
        try:
            fields.checked_spelling(flag, engine)
        except ValueError as error:
            yield Complaint(keys, f"args of {model.name}: {error}.", of_key=True)
        try:
            if isinstance(value, str | int | float):
                fields.checked_type(value, flag, engine)
        except ValueError as error:
            yield Complaint(keys, f"args of {model.name}: {error}.")


def _taken_twice(models: list[_Facts]) -> Iterator[Complaint]:
    running = [
        (model.name, claims(model.place, model.url, model.service))
        for model in models
        if model.place and (model.enabled or model.keys[2:])
    ]
    for clash in clashes(running):
        message = f"{clash.claim.key} of {clash.model}: {clash.claim.what} is {clash.other}'s already."
        keys = next(model.keys for model in models if model.name == clash.model)
        yield Complaint((*keys, clash.claim.key), message)
