"""``--fit``: what llama.cpp changes of unset parameters to leave some memory free on every GPU (common/fit.cpp)."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.estimate.llama_cpp.layers import Placed
from fleet.estimate.llama_cpp.needs import Load, Need

_STEP = 256


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a model is loaded."""

    context: int
    needs: tuple[Need, ...]
    wanted: int
    """The context it would have had with room enough."""
    in_host_memory: int = 0
    """Layers, the output counting as one, that no GPU holds."""


def loaded(load: Load) -> Fitted:
    """The context and the needs a model is loaded with.

    First the context is shortened, only where it was not told; then layers are left in host memory, only where
    neither ``--n-gpu-layers`` nor ``--tensor-split`` was told. Without ``--fit`` everything stays as it was told.
    Of a mixture of experts llama.cpp leaves only the experts of such layers in host memory; here they are whole.
    """
    options, architecture = load.options, load.architecture
    streams = 1 if options.unified else options.slots
    wanted = options.context or architecture.max_positions * streams
    needs = load.needs(wanted)
    left = load.architecture.layers + 1 - sum(len(held) for held in load.default())
    if not options.fits or _leaves_enough(load, needs):
        return Fitted(wanted, tuple(needs), wanted, left)
    context = _shortened(load, wanted) if options.shrinks else wanted
    needs = load.needs(context)
    told = options.told_layers or (bool(options.proportions) and len(load.free) > 1) or options.split_mode == "row"
    if told or _leaves_enough(load, needs):
        return Fitted(context, tuple(needs), wanted, left)
    placed = _filled(load, context)
    left = architecture.layers + 1 - sum(len(held) for held in placed)
    return Fitted(context, tuple(load.needs(context, placed)), wanted, left)


def _leaves_enough(load: Load, needs: list[Need]) -> bool:
    return all(
        free - need.total >= load.options.target(gpu)
        for gpu, (free, need) in enumerate(zip(load.free, needs, strict=True))
    )


def _shortened(load: Load, wanted: int) -> int:
    """The longest context, on a line between the shortest and the wanted one, that all GPUs together hold.

    Over several GPUs llama.cpp sets aside half a layer (a sixth of a mixture of experts') for each and one more.
    """
    streams = 1 if load.options.unified else load.options.slots
    shortest = load.options.fit_context * streams
    if shortest >= wanted:
        return wanted
    gpus = len(load.free)
    room = sum(load.free) - sum(load.options.target(gpu) for gpu in range(gpus))
    if gpus > 1:
        layer = sum(load.file.layer_bytes) // len(load.file.layer_bytes)
        room -= (gpus + 1) * layer // (6 if load.architecture.experts else 2)
    most, least = (sum(need.total for need in load.needs(context)) for context in (wanted, shortest))
    if most <= room:
        return wanted
    if least >= room or most == least:
        return shortest
    context = shortest + (wanted - shortest) * (room - least) // (most - least)
    return max(shortest, context - context % (_STEP * streams))


def _filled(load: Load, context: int) -> Placed:
    """Layers from the last to the first, on GPUs from the last to the first, each as many as it has room for."""
    placed = []
    end = load.architecture.layers + 1
    caches = load.caches(context)
    for gpu in reversed(range(len(load.free))):
        room = load.free[gpu] - load.options.target(gpu)
        start = end
        while start and load.need(context, range(start - 1, end), caches).total <= room:
            start -= 1
        placed.append(range(start, end))
        end = start
    return tuple(reversed(placed))
