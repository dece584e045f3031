"""A model that nobody serves yet, from the words of ``:try``: carried over the deck like any other, never staged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fleet.arguments import argument
from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, SetArgument, apply
from fleet.model import Engine, Model, Version
from fleet.text import clean

_SHORT_FLAGS = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "len": "max-model-len",
    "util": "gpu-memory-utilization",
    "seqs": "max-num-seqs",
    "eager": "enforce-eager",
}
_EXAMPLE = "Such as: Qwen/Qwen3-32B tp=2 max-model-len=32k"


def with_trial(inventory: Inventory, text: str) -> tuple[Inventory, Model]:
    """The fleet with one more model, disabled and without a place, from ``MODEL [ARGUMENT=VALUE …]``; and that model.

    MODEL is one of the fleet's, which is tried as another copy, or a Hugging Face id or file name of the catalogue.
    Raises UsageError.
    """
    named, *settings = text.split()
    model = _another(inventory, named) or _from_catalogue(inventory, named)
    fleet = apply(replace(inventory, models=(*inventory.models, model)), _changes(model, settings))
    return fleet, fleet.model(model.name)


def known_sources(inventory: Inventory) -> tuple[str, ...]:
    """Every MODEL there is to try."""
    from fleet.architecture.catalogue import names

    return (*(model.name for model in inventory.models), *names())


def _another(inventory: Inventory, name: str) -> Model | None:
    """A copy of one of the fleet's models as it would be beside it: with no service and no endpoint of its own yet."""
    found = next((model for model in inventory.models if model.name == name), None)
    if found is None:
        return None
    return Model(
        _trial_name(name),
        found.engine,
        found.source,
        role=found.role,
        args=found.args,
        memory_bytes=found.memory_bytes,
        enabled=False,
    )


def _from_catalogue(inventory: Inventory, source: str) -> Model:
    from console.estimating.architectures import catalogue, known_architecture, unknown

    found = known_architecture(source, catalogue(None))
    if found is None:
        raise unknown(source, (model.name for model in inventory.models))
    name = "llama.cpp" if source.lower().endswith(".gguf") else "vllm"
    engine = Engine(name, max(_versions(inventory, name), default=None))
    return Model(_trial_name(source.rpartition("/")[2]), engine, found.name, enabled=False)


def _versions(inventory: Inventory, engine: str) -> Iterator[Version]:
    for model in inventory.models:
        if model.engine.name == engine and model.engine.version:
            yield model.engine.version


def _trial_name(name: str) -> str:
    """The name with a mark that no name of a fleet file has."""
    return f"{clean(name)}?"


def _changes(model: Model, settings: list[str]) -> Iterator[Change]:
    for setting in settings:
        flag, equals, value = setting.lstrip("-").partition("=")
        if not (flag and equals and value):
            raise UsageError(f"{clean(setting)!r} is no ARGUMENT=VALUE.", _EXAMPLE)
        flag = _SHORT_FLAGS.get(flag, flag) if model.engine.name == "vllm" else flag
        try:
            yield SetArgument(model.name, flag, argument(model.engine.name, flag).parse(value))
        except ValueError as error:
            raise UsageError(f"{clean(setting)!r}: {error}.", _EXAMPLE) from None
