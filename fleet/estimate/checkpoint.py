"""Bytes of a model's weights as its checkpoint stores them, for the engines that load them as they are.

vLLM has rules of its own (padding, rotary tables, what it unpacks) and reckons them in `fleet.estimate.vllm.weights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fleet.architecture.architecture import Architecture, Part
from fleet.architecture.parameters import layer_tensors, outside

PLAIN_BYTES = 2
"""Of a weight that is not quantised; a float32 checkpoint is served in 16 bit too."""


@dataclass(frozen=True, slots=True)
class LayerBytes:
    """One layer's weights on one rank, in bytes."""

    attention: int
    """Or the projections of a recurrent layer, with norms, biases and routers."""
    mlp: int
    """The ordinary MLP or the shared experts."""
    experts: int
    """All routed experts together."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.attention + self.mlp + self.experts


@lru_cache(maxsize=4096)
def layer_bytes(architecture: Architecture, layer: int, tp: int = 1, plain: float = PLAIN_BYTES) -> LayerBytes:
    """Bytes of a layer (from 0) on one of ``tp`` ranks; ``plain`` = bytes of an unquantised weight."""
    sizes = {Part.ATTENTION: 0.0, Part.MLP: 0.0, Part.EXPERTS: 0.0}
    for tensor in layer_tensors(architecture, layer, tp):
        group = tensor.part if tensor.part in sizes else Part.ATTENTION
        sizes[group] += tensor.elements * (plain if tensor.part is None else _stored(architecture, tensor.part, plain))
    attention, mlp, experts = map(round, sizes.values())
    return LayerBytes(attention, mlp, experts)


def head_bytes(architecture: Architecture, tp: int = 1, plain: float = PLAIN_BYTES) -> int:
    """Bytes of the output head on one rank; 0 for a model that only embeds."""
    if not architecture.has_head:
        return 0
    return round(architecture.vocab * architecture.hidden * _stored(architecture, Part.HEAD, plain) / tp)


def table_bytes(architecture: Architecture, tp: int = 1, plain: float = PLAIN_BYTES) -> int:
    """Bytes of the token embedding on one rank."""
    return round(architecture.vocab * architecture.hidden * plain / tp)


def outside_bytes(architecture: Architecture, plain: float = PLAIN_BYTES) -> int:
    """Bytes of what is in no layer and no vocabulary table: last norm, positions, towers, and what is not explained."""
    return round((outside(architecture) + architecture.extra_parameters) * plain)


@lru_cache(maxsize=4096)
def rank_bytes(
    architecture: Architecture,
    layers: range,
    tp: int = 1,
    *,
    first: bool = True,
    last: bool = True,
    plain: float = PLAIN_BYTES,
) -> int:
    """Bytes of one rank that holds ``layers``; ``first`` with the embedding and towers, ``last`` with the head."""
    if architecture.checkpoint_bytes:
        return round(architecture.checkpoint_bytes * len(layers) / architecture.layers / tp)
    total = sum(layer_bytes(architecture, layer, tp, plain).total for layer in layers)
    if first:
        total += table_bytes(architecture, tp, plain) + outside_bytes(architecture, plain)
    if last and not (first and architecture.ties_embeddings):
        total += head_bytes(architecture, tp, plain)
    return total


def _stored(architecture: Architecture, part: Part, plain: float) -> float:
    return architecture.quantization.bytes_of(part, plain) if architecture.quantization else plain
