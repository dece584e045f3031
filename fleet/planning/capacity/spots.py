"""Where one more model fits as things are, and how many copies of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fleet.inventory import Inventory
from fleet.inventory.changes import apply
from fleet.model import GpuId, Model, Place
from fleet.planning.carry import Hand, Verdict
from fleet.startup import ModelStart

MOST_ON_A_GPU = 16
"""Copies counted on one GPU at most: more of them share it than anybody runs."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is read of a fleet and decides what fits."""

    totals: Mapping[GpuId, int] = field(default_factory=lambda: MappingProxyType({}))
    """Bytes of each GPU that was read."""
    starts: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """By model name."""
    requests: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Running or waiting, by model name."""
    cordoned: frozenset[GpuId] = frozenset()


@dataclass(frozen=True, slots=True)
class Spot:
    """A place a model could have."""

    place: Place
    verdict: Verdict
    """Of one copy there."""
    copies: int
    """How many would start there, one beside the other, nothing else changed."""


def copy_of(model: Model, number: int) -> Model:
    """The n-th copy of a model, from 1: disabled, in no place, with no service of its own."""
    name = model.name if number == 1 else f"{model.name}{number}"
    return replace(model, name=name, place=None, service=None, url=None, enabled=False)


def spots(inventory: Inventory, model: Model, measured: Measured) -> tuple[Spot, ...]:
    """Every place the model could have in the fleet's order: aligned blocks where its size is a power of two, else
    every block that begins where the one before ends. The model may, and need not, be one of the fleet's.
    """
    width = model.args.ranks
    blocks = (
        tuple(range(first, first + width))
        for host in inventory.hosts
        for first in range(0, host.gpus - width + 1, width)
    )
    hosts = (host.name for host in inventory.hosts for _ in range(0, host.gpus - width + 1, width))
    return tuple(_spot(inventory, model, Place(*where), measured) for where in zip(hosts, blocks, strict=True))


def around(inventory: Inventory, place: Place, without: Collection[str] = ()) -> Inventory:
    """The fleet as far as it decides what fits in a place: its host, and the models that share a GPU of it.

    In a fleet of a thousand GPUs the rest would be most of the work.
    """
    wanted = set(place.gpus)
    models = (
        model
        for model in inventory.placed
        if model.place
        and model.place.host == place.host
        and not wanted.isdisjoint(model.place.gpus)
        and model.name not in without
    )
    return replace(inventory, hosts=(inventory.host(place.host),), models=tuple(models))


def answers(inventory: Inventory, model: Model, place: Place, measured: Measured) -> Iterator[Verdict]:
    """What a place says to one copy after the other: the first answer always, then on as long as they start."""
    fleet = inventory
    for number in range(1, MOST_ON_A_GPU + 1):
        copy = copy_of(model, number)
        fleet = replace(fleet, models=(*fleet.models, copy))
        hand = Hand(fleet, (copy,), measured.totals, measured.starts, cordoned=measured.cordoned)
        verdict = hand.verdict(place.gpu_ids[0])
        if number == 1 or verdict.possible:
            yield verdict
        if not verdict.possible:
            return
        fleet = apply(fleet, verdict.changes)


def _spot(inventory: Inventory, model: Model, place: Place, measured: Measured) -> Spot:
    found = list(answers(around(inventory, place, (model.name,)), model, place, measured))
    return Spot(place, found[0], sum(verdict.possible for verdict in found))
