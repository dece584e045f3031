"""One model on its GPUs, as a question that can be asked again with something changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find
from fleet.estimate import Estimate, Outcome
from fleet.estimate.estimating import estimate, utilization
from fleet.estimate.measured import End
from fleet.hardware import Accelerator
from fleet.model import Arguments, Model, Scalar
from fleet.startup import ModelStart

MOST_RANKS = 4096
"""How many GPUs one model is reckoned on at most."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A model, the GPUs it has, and what others hold of them. Sizes in bytes, one for each GPU."""

    model: Model
    accelerator: Accelerator
    totals: tuple[int, ...]
    others_bytes: tuple[int, ...]
    """Held by other processes."""
    known: Architecture | None = None
    """Instead of the architecture the catalogue has for the model's source."""
    recorded: ModelStart | None = None
    """A start of it that was measured."""

    @property
    def architecture(self) -> Architecture | None:
        """What decides its memory; None where nobody told us."""
        return self.known or (find(self.model.source) if self.model.source else None)

    @property
    def utilization(self) -> float:
        """The share of a GPU it is given, or its version's default."""
        return utilization(self.model, self.accelerator)

    def estimate(self, end: End | None = None) -> Estimate:
        """What it takes and how its start ends; reckoned at one end of every spread where one is named."""
        return estimate(
            self.model,
            self.accelerator,
            totals=self.totals,
            others_bytes=self.others_bytes,
            architecture=self.known,
            recorded=self.recorded,
            end=end,
        )

    def starts(self) -> bool:
        """Whether it starts even at the high end of every spread."""
        return self.estimate(End.HIGH).outcome is Outcome.STARTED

    def given(self, flags: Mapping[str, Scalar]) -> Trial:
        """The same with these arguments changed; None takes one away."""
        changed = {**self.model.args, **flags}
        args = Arguments({flag: value for flag, value in changed.items() if value is not None})
        return replace(self, model=replace(self.model, args=args))

    def beside(self, *others_bytes: int) -> Trial:
        """The same with others holding that much of each GPU."""
        return replace(self, others_bytes=others_bytes)

    def on(self, accelerator: Accelerator, gpus: int) -> Trial:
        """The same on so many whole GPUs of a kind; further GPUs of its own kind are like the last it has."""
        own = self.totals if accelerator is self.accelerator else (accelerator.total_bytes,)
        totals = (own + own[-1:] * gpus)[:gpus]
        others = (self.others_bytes + self.others_bytes[-1:] * gpus)[:gpus]
        return replace(self, accelerator=accelerator, totals=totals, others_bytes=others)


def trial(
    model: Model,
    accelerator: Accelerator,
    *,
    gpus: int = 1,
    others_bytes: int = 0,
    architecture: Architecture | None = None,
) -> Trial:
    """A model on whole GPUs of one kind, with the same memory of each held by others."""
    return Trial(model, accelerator, (accelerator.total_bytes,) * gpus, (others_bytes,) * gpus, architecture)
