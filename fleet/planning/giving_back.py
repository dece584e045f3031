"""What has to change so that no overlay of ours is needed: each model as the operator's own files say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.errors import GpudeckError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Move, Restart, Serve, SetArgument
from fleet.model import Model, Place
from fleet.planning.overlays import is_pinned, own_place
from fleet.planning.world import World
from fleet.readings import GpuIdentity
from fleet.services import Definition
from fleet.services.arguments import SHORT, same_value
from fleet.services.checkpoints import named_checkpoint
from fleet.services.indirect import gives_all_arguments, own_arguments


def asked(inventory: Inventory) -> tuple[Change, ...]:
    """The changes whose world has the definitions of all models that may have an overlay."""
    return tuple(Restart(model.name) for model in inventory.placed if model.service)


def giving_back(inventory: Inventory, world: World) -> tuple[Change, ...]:
    """The changes after which every model with an overlay runs as the operator's own files say.

    Raises GpudeckError for a model whose own files do not say which GPUs it gets.
    """
    changes: list[Change] = []
    for model in inventory.placed:
        assert model.place is not None, "placed models have a place"
        definition = world.standing(model.name, model.place.host).definition
        if definition is None or definition.overlay is None:
            continue
        changes += _checkpoint(model, definition)
        changes += _place(model, definition, world.identities(model.place.host))
        changes += _arguments(model, definition)
    return tuple(changes)


def _place(model: Model, definition: Definition, identities: Sequence[GpuIdentity]) -> Iterator[Change]:
    if model.place is None or not is_pinned(definition):
        return
    own = own_place(definition, identities)
    if own is None:
        raise GpudeckError(
            f"{model.name} on {model.place.host}: its own definition does not say which GPUs it gets, so where it "
            "would run without gpudeck's overlay is not known.",
            "Set ROCR_VISIBLE_DEVICES in it first, or stop the model and remove the overlay by hand.",
        )
    if own != model.place.gpus:
        yield Move(model.name, Place(model.place.host, own))


def _checkpoint(model: Model, definition: Definition) -> Iterator[Change]:
    """The operator's own, where our overlay names another; by the fleet file's spelling of a file in a folder."""
    source = model.source or ""
    own = named_checkpoint(definition, source)
    ours = named_checkpoint(definition, source, with_overlay=True)
    if own and ours and own != ours:
        folder = ours.removesuffix(source) if ours.startswith("/") else ""
        yield Serve(model.name, own.removeprefix(folder))


def _arguments(model: Model, definition: Definition) -> Iterator[Change]:
    own = own_arguments(definition)
    ours = own_arguments(definition, with_overlay=True)
    whole = gives_all_arguments(definition)
    for flag, value in model.args.items():
        name = SHORT.get(flag, flag)
        if (name in ours or whole) and not (name in own and same_value(own[name], value)):
            yield SetArgument(model.name, flag, own.get(name))
    taken_out = own.keys() - ours.keys() - {SHORT.get(flag, flag) for flag in model.args}
    yield from (SetArgument(model.name, flag, own[flag]) for flag in sorted(taken_out))
