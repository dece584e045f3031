"""The GPUs an engine finds when it starts: what they have, and what others hold of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.estimate import GpuShare
from fleet.estimate.measured import CONTEXT_FACTOR, End
from fleet.hardware import Accelerator


@dataclass(frozen=True, slots=True)
class Room:
    """The GPUs of one place, in its order. Sizes in bytes, one for each GPU."""

    accelerator: Accelerator
    totals: tuple[int, ...]
    others: tuple[int, ...]
    """Held by other processes, the driver's own bytes not among them."""
    end: End

    @property
    def context_bytes(self) -> int:
        """What the runtime context of one process takes on a GPU it opens."""
        return round(self.accelerator.context_bytes * CONTEXT_FACTOR.at(self.end))

    @property
    def free(self) -> tuple[int, ...]:
        """What a process that has opened the GPUs sees free."""
        held = self.accelerator.driver_bytes + self.context_bytes
        return tuple(total - held - others for total, others in zip(self.totals, self.others, strict=True))

    @property
    def shared(self) -> bool:
        """Whether others hold anything."""
        return any(self.others)

    @property
    def out_of_memory(self) -> str:
        """What PyTorch says when a GPU runs out, whose sizes depend on the moment."""
        return f"torch.OutOfMemoryError: {'HIP' if self.accelerator.vendor == 'amd' else 'CUDA'} out of memory."

    def share(self, weights: int, cache: int = 0, activations: int = 0, graphs: int = 0, kept: int = 0) -> GpuShare:
        """A GPU's share at this end, the runtime context added; ``kept`` = working memory that is never given back."""
        context = self.context_bytes + kept
        total = weights + cache + activations + graphs + context
        return GpuShare(weights, cache, activations, graphs, context, total, total)

    def short(self, shares: Sequence[GpuShare]) -> int | None:
        """The first GPU that has not the room for its share; None where all have."""
        for gpu, (share, free) in enumerate(zip(shares, self.free, strict=True)):
            if share.total_bytes - self.context_bytes > free:
                return gpu
        return None


NOTHING = GpuShare(0, 0, 0, 0, 0, 0, 0)
"""The share of a GPU an engine leaves alone."""
