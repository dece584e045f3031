"""Which of the starts that were read are of what the fleet file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fleet.inventory import Inventory
from fleet.model import Model
from fleet.readings import HostSnapshot

if TYPE_CHECKING:
    from fleet.startup import ModelStart


def known_starts(inventory: Inventory, snapshots: Mapping[str, HostSnapshot]) -> dict[str, ModelStart]:
    """What each model's newest start measured, by its name: what estimates should learn from.

    A start of something else than the fleet file says teaches nothing of what it says.
    """
    sources = {model.name: model.source for model in inventory.models}
    return {
        name: start
        for snapshot in snapshots.values()
        for name, start in snapshot.starts.items()
        if (source := sources.get(name)) and is_same_source(source, start.source)
    }


def recorded_start(model: Model, starts: Mapping[str, ModelStart]) -> ModelStart | None:
    """What a start of that model measured, by the starts of its name; None where it was one of another checkpoint."""
    start = starts.get(model.name)
    return start if start and model.source and is_same_source(model.source, start.source) else None


def is_same_source(one: str, other: str) -> bool:
    """Whether two names are of one model: a Hugging Face id, and a path that ends like it or keeps a snapshot of it."""
    if one == other:
        return True
    short, cached = one.rstrip("/").rpartition("/")[2], f"models--{one.replace('/', '--')}"
    return short.casefold() == other.rstrip("/").rpartition("/")[2].casefold() or cached in other
