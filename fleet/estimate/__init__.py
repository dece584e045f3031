"""What a model will take and whether its engine will start: pure functions, bytes per GPU.

`fleet.estimate.estimating` holds the entry point; this module holds the values it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a start ends."""

    STARTED = "started"
    REFUSED = "refused"
    """The engine says no, with a sentence."""
    OOM = "oom"
    """The GPU runs out while loading or profiling; no friendly sentence."""


class Reason(StrEnum):
    """Which of the engine's checks refused."""

    SEQUENCE_TOO_LONG = "sequence-too-long"
    """The cache cannot hold one sequence of the largest length."""
    NO_CACHE_MEMORY = "no-cache-memory"
    NOT_ENOUGH_FREE = "not-enough-free"
    """Others hold so much of a GPU that the engine does not even begin."""
    OUT_OF_MEMORY = "out-of-memory"
    CONTEXT_LENGTH = "context-length"
    """A length beyond what the model was made for."""
    PARALLELISM = "parallelism"
    """The model does not split as asked, or not over the GPUs of its place."""
    CONFIGURATION = "configuration"
    """The arguments contradict each other."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An engine's refusal in its own words."""

    reason: Reason
    sentence: str
    """The engine's own sentence, of its version, with its numbers."""


class Origin(StrEnum):
    """Where a number comes from, the best first."""

    MEASURED = "measured"
    """The engine printed it, at a start with all the arguments it depends on."""
    CALIBRATED = "calibrated"
    """Reckoned from numbers a start measured."""
    MODELLED = "modelled"
    """Reckoned from the model's architecture and the engine's source."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where each number of a share comes from."""

    weights: Origin = Origin.MODELLED
    kv_cache: Origin = Origin.MODELLED
    activations: Origin = Origin.MODELLED
    graphs: Origin = Origin.MODELLED
    context: Origin = Origin.MODELLED

    @property
    def total(self) -> Origin:
        """Of their sum: one kind where all are, else calibrated."""
        kinds = {self.weights, self.kv_cache, self.activations, self.graphs, self.context}
        return kinds.pop() if len(kinds) == 1 else Origin.CALIBRATED


MODELLED = Origins()


@dataclass(frozen=True, slots=True)
class GpuShare:
    """What one model takes on one of its GPUs, in bytes."""

    weights_bytes: int
    kv_cache_bytes: int
    activations_bytes: int
    """The peak of a full batch; given back after the profile run, taken again under load."""
    graphs_bytes: int
    context_bytes: int
    """Runtime context, communication buffers and other memory outside the engine's allocator."""
    low_bytes: int
    """The total at the low end of the spread."""
    high_bytes: int
    """The total at the high end of the spread."""
    origins: Origins = MODELLED

    @property
    def total_bytes(self) -> int:
        """Everything at its peak, central estimate."""
        return self.resident_bytes + self.activations_bytes

    @property
    def resident_bytes(self) -> int:
        """What stays while the model idles: everything but the activation peak."""
        return self.weights_bytes + self.kv_cache_bytes + self.graphs_bytes + self.context_bytes

    @property
    def least_bytes(self) -> int:
        """What stays while the model idles, at the low end of the spread: it serves with no less."""
        return self.low_bytes - self.activations_bytes


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one model takes in its place, and what its engine will say. No reading enters but by arguments."""

    model: str
    shares: tuple[GpuShare, ...]
    """One per GPU, in the order of the model's place."""
    outcome: Outcome
    refusal: Refusal | None = None
    budget_bytes: int | None = None
    """What the engine asks for on each GPU (utilization x total); None where it has no such budget."""
    needs_free_bytes: int | None = None
    """Free memory the engine insists on before it loads anything; None where its version does not check."""
    kv_cache_tokens: int | None = None
    kv_cache_blocks: int | None = None
    """Blocks of the rank that has room for the fewest; None where there are none."""
    max_model_len: int | None = None
    max_concurrency: float | None = None
    longest_length: int | None = None
    """The longest sequence its cache holds; None where it has no cache."""
    basis: str = "modelled"
    """Where the numbers come from: ``modelled``, ``calibrated`` by a start of the model, ``declared``, ``catalogue``,
    or ``budget`` where only it is known."""
    cache_origin: Origin = Origin.MODELLED
    """Where tokens and concurrency come from."""
    notes: tuple[str, ...] = ()
    """Assumptions worth showing, one sentence each."""
