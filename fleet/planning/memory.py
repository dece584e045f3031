"""What a model's start takes and what it then holds: the estimate as a plan needs it."""

from __future__ import annotations

from types import MappingProxyType

from fleet.estimate import Estimate
from fleet.hardware import Accelerator
from fleet.model import GpuId, Model
from fleet.planning.ordering.tasks import Sizes
from fleet.planning.plan import Expected
from fleet.planning.world import World

_LOADED = 0.9
"""Share of the reckoned bytes from which on a measured figure is taken to be of a model that has finished loading."""
_NOT_MEASURED: Sizes = MappingProxyType({})


def start_needs(
    model: Model, estimate: Estimate, accelerator: Accelerator, held: Sizes = _NOT_MEASURED
) -> dict[GpuId, int]:
    """Free bytes a start takes on each GPU: what the engine insists on, or what it holds once it serves.

    ``held`` is what the same model, with the same arguments, was measured to hold; measured beats modelled.
    The engine looks after its own runtime context is there, so that much more must be free before it begins.
    The activation peak needs no room beside the cache, which is allocated after it.
    """
    insisted = 0 if estimate.needs_free_bytes is None else estimate.needs_free_bytes + accelerator.context_bytes
    return {gpu: max(insisted, size) for gpu, size in rests(model, estimate, held).items()}


def rests(model: Model, estimate: Estimate, held: Sizes = _NOT_MEASURED) -> dict[GpuId, int]:
    """Bytes it holds on each GPU once it serves; ``held`` as for `start_needs`."""
    reckoned = {gpu: share.resident_bytes for gpu, share in zip(_gpus(model), estimate.shares, strict=True)}
    return {gpu: held[gpu] if held.get(gpu, 0) > _LOADED * size else size for gpu, size in reckoned.items()}


def expected(model: Model, estimate: Estimate, world: World) -> tuple[Expected, ...]:
    """What its processes should hold on each GPU once it serves; anything at all where its memory is only declared."""
    found = []
    for gpu, share in zip(_gpus(model), estimate.shares, strict=True):
        reading = world.gpus.get(gpu)
        if reading is None:
            continue
        low, high = share.least_bytes, share.high_bytes
        if estimate.basis == "declared":
            low, high = 1, reading.identity.total_bytes
        found.append(Expected(gpu, reading.identity.pci, max(1, low), high))
    return tuple(found)


def _gpus(model: Model) -> tuple[GpuId, ...]:
    assert model.place is not None, "a model with an estimate has a place"
    return model.place.gpu_ids
