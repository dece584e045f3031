"""What each GPU needs for its layers at some context: weights, cache, and the scratch of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, zip_longest

from fleet.architecture.architecture import Architecture
from fleet.architecture.stored import GgufBytes
from fleet.estimate.llama_cpp.cache import cells, layer_cache_bytes
from fleet.estimate.llama_cpp.layers import Placed, cumulated_shares, placed_layers, projector_bytes
from fleet.estimate.llama_cpp.options import Options
from fleet.estimate.measured import COMPUTE_BUFFER_EXCESS, End


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes on one GPU, the runtime context not among them."""

    weights: int
    cache: int
    compute: int

    @property
    def total(self) -> int:
        """All three."""
        return self.weights + self.cache + self.compute


@dataclass(frozen=True, slots=True)
class Load:
    """A model as it is about to be loaded."""

    architecture: Architecture
    file: GgufBytes
    options: Options
    free: tuple[int, ...]
    """Bytes free on each GPU once the process has opened it."""
    end: End

    def needs(self, context: int, placed: Placed | None = None) -> list[Need]:
        """What each GPU needs at that context; with the layers where llama.cpp puts them of itself, or ``placed``."""
        if self.options.split_mode == "row" and placed is None and len(self.free) > 1:
            return self._in_rows(context)
        caches = self.caches(context)
        return [
            self.need(context, held, caches, main=gpu == self.options.main_gpu)
            for gpu, held in enumerate(placed or self.default())
        ]

    def default(self) -> Placed:
        """The layers of each GPU where nothing is fitted."""
        return placed_layers(self.options, self.architecture.layers, self.free)

    def caches(self, context: int) -> list[int]:
        """Bytes of cache each layer keeps on its GPU at that context."""
        architecture = self.architecture
        if not self.options.cache_on_gpu:
            return [0] * architecture.layers
        ratios = architecture.compressed.ratios if architecture.compressed else ()
        kinds = list(zip_longest(architecture.spans, ratios[: architecture.layers]))
        sizes = {kind: layer_cache_bytes(architecture, kinds.index(kind), self.options, context) for kind in set(kinds)}
        return [sizes[kind] for kind in kinds]

    def need(self, context: int, held: range, caches: list[int], *, main: bool = False) -> Need:
        """What the GPU that holds these layers needs; the ``main`` one holds the vision tower too."""
        if not held:
            return Need(0, 0, 0)
        has_head = self.architecture.layers in held
        weights = sum(self.file.layer_bytes[held.start : held.stop]) + (self.file.output_bytes if has_head else 0)
        weights += projector_bytes(self.architecture, self.options) if main else 0
        return Need(weights, sum(caches[held.start : held.stop]), self._compute(context, has_head))

    def _in_rows(self, context: int) -> list[Need]:
        """Every matrix over all GPUs; the main one has the cache and the intermediate results."""
        every = self.need(context, range(self.architecture.layers + 1), self.caches(context), main=True)
        bounds = [0.0, *cumulated_shares(self.options, self.free)]
        parts = [round(every.weights * (after - before)) for before, after in pairwise(bounds)]
        return [
            Need(part, every.cache, every.compute) if gpu == self.options.main_gpu else Need(part, 0, 0)
            for gpu, part in enumerate(parts)
        ]

    def _compute(self, context: int, has_head: bool) -> int:
        """Scratch of one graph in 32 bit: logits where the head is, a layer's states, scores without flash attention.

        Llama 3 8B, 512 tokens: 250.5 MiB of logits and 8 of states; 258.50 MiB is what llama.cpp prints.
        """
        architecture, batch = self.architecture, self.options.batch
        widest = _states(architecture)
        if has_head:
            widest = max(widest, architecture.vocab + architecture.hidden)
        if not self.options.flash_attention:
            widest = max(widest, architecture.heads * cells(self.options, context).count + architecture.hidden)
        return 4 * batch * widest + COMPUTE_BUFFER_EXCESS.bytes_at(self.end)


def _states(architecture: Architecture) -> int:
    """Elements of one token's states while a layer computes."""
    dense = 4 * architecture.hidden + 2 * architecture.intermediate
    experts = architecture.experts
    if experts is None:
        return dense
    return max(dense, 4 * architecture.hidden + experts.per_token * (2 * experts.intermediate + architecture.hidden))
