"""LIVE009: models for which more requests come than they take."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import MappingProxyType

from fleet.findings import Finding, Fix, Severity, Tense
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Move
from fleet.model import GpuId, Model
from fleet.planning.placing import enabling
from fleet.planning.widening import Wider, widening
from fleet.readings import Link
from fleet.startup import ModelStart
from fleet.state import FleetState, ModelState, ModelWord

_FEW = 4
"""Requests waiting up to which a queue is only the batch being filled."""
_SHARE = 0.25
"""Of the requests at work, those that wait, from which it is one."""
_FULL_CACHE = 0.8
"""Share of the KV cache in use from which it is the cache that takes no more: engines keep some blocks back."""


def find(state: FleetState, inventory: Inventory) -> Iterator[Finding]:
    """Each queue, what it is that is full, which model may be run besides, and how much larger the cache may be."""
    for model in state.models:
        waiting, running = model.engine.waiting or 0, model.engine.running or 0
        is_known = model.model.enabled and model.word is not ModelWord.UNKNOWN
        if is_known and waiting > max(_FEW, _SHARE * running):
            yield _finding(model, waiting, running, tuple(_fixes(state, inventory, model)))


def _is_full(model: ModelState) -> bool:
    usage = model.engine.kv_usage
    return usage is not None and usage >= _FULL_CACHE


def _finding(model: ModelState, waiting: int, running: int, fixes: tuple[Fix, ...]) -> Finding:
    cause = "its KV cache is full" if _is_full(model) else "it has as many at work as it takes"
    return Finding(
        code="LIVE009",
        severity=Severity.WARNING,
        tense=Tense.NOW,
        message=f"{waiting} requests wait for {model.name}, and {running} are at work: {cause}.",
        headline=f"requests queue, {cause}" + ("" if fixes else f"; where another copy fits: :try {model.name}"),
        model=model.name,
        numbers=MappingProxyType({"waiting": waiting, "running": running}),
        fixes=fixes,
    )


def _fixes(state: FleetState, inventory: Inventory, crowded: ModelState) -> Iterator[Fix]:
    """The first that fits of the models that could serve what waits; then more memory for a cache that is full."""
    barred = frozenset(gpu.gpu for host in state.hosts for gpu in host.gpus if gpu.cordon or host.link is not Link.LIVE)
    totals = tuple((gpu.gpu, gpu.total_bytes) for gpu in state.gpus)
    starts = tuple((model.name, model.start) for model in state.models if model.start)
    for model in _stand_ins(inventory, crowded.model):
        changes = _enabling(inventory, model, totals, starts, barred)
        if changes:
            place = next((change.place for change in changes if isinstance(change, Move)), model.place)
            yield Fix(f"enable {model.name} on {place}", changes)
            break
    place = crowded.model.place
    if _is_full(crowded) and crowded.model.service and place and barred.isdisjoint(place.gpu_ids):
        wider = _widening(inventory, crowded.model, totals, starts)
        if wider:
            yield Fix(f"utilization {wider.share}, {wider.times:.1f} times the KV cache", wider.changes)


def _stand_ins(inventory: Inventory, crowded: Model) -> list[Model]:
    """The disabled models a plan can start that serve the same: its own copies, then those of its role."""

    def is_copy(model: Model) -> bool:
        return crowded.replica_of is not None and model.replica_of == crowded.replica_of

    idle = [model for model in inventory.models if not model.enabled and model.service]
    same = [model for model in idle if is_copy(model) or (crowded.role and model.role == crowded.role)]
    return sorted(same, key=lambda model: not is_copy(model))


@lru_cache(maxsize=64)
def _enabling(
    inventory: Inventory,
    model: Model,
    totals: tuple[tuple[GpuId, int], ...],
    starts: tuple[tuple[str, ModelStart], ...],
    barred: frozenset[GpuId],
) -> tuple[Change, ...]:
    """Kept, since a queue is seen with every frame and where a model fits changes seldom."""
    return enabling(model, inventory, dict(totals), dict(starts), barred)


@lru_cache(maxsize=64)
def _widening(
    inventory: Inventory,
    model: Model,
    totals: tuple[tuple[GpuId, int], ...],
    starts: tuple[tuple[str, ModelStart], ...],
) -> Wider | None:
    """Kept, as `_enabling` is."""
    return widening(model, inventory, dict(totals), dict(starts))
