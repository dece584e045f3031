"""A model that is served several times: one entry of the fleet file, a copy of it for every place.

The first copy has the entry's name and own place; the others are ``NAME_2``, ``NAME_3`` and have theirs under
``replicas:``. Each is a model like any other: seen, moved and restarted by itself. Engine and arguments are shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fleet.inventory import Inventory
from fleet.model import Model

if TYPE_CHECKING:
    from fleet.inventory.sections.models import ReplicaEntry


def copy_name(name: str, position: int) -> str:
    """The name of a copy, by its position under ``replicas:``, from 0."""
    return f"{name}_{position + 2}"


def copies(first: Model, more: Sequence[ReplicaEntry]) -> Iterator[Model]:
    """Every copy of an entry, the first as it is read."""
    if not more:
        yield first
        return
    yield replace(first, replica_of=first.name)
    for position, entry in enumerate(more):
        name = copy_name(first.name, position)
        yield replace(
            first,
            name=name,
            replica_of=first.name,
            place=entry.place,
            service=f"command:{name}" if first.commands else entry.service or first.service,
            url=entry.url or first.url,
            enabled=entry.enabled,
        )


def sharing(inventory: Inventory, name: str) -> tuple[str, ...]:
    """The models whose arguments are written in the same place as that one's: all copies of its entry, or itself."""
    entry = next((model.replica_of for model in inventory.models if model.name == name), None)
    return tuple(m.name for m in inventory.models if m.replica_of == entry) if entry else (name,)


def keys_of(inventory: Inventory, name: str) -> tuple[str, ...]:
    """Where the fleet file has what is a copy's own: ``models, NAME`` or ``models, NAME, replicas, 0``."""
    shared = sharing(inventory, name)
    position = shared.index(name)
    return ("models", name) if position == 0 else ("models", shared[0], "replicas", str(position - 1))
