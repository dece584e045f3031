"""Several models on one GPU: the utilizations that fill it, and the order to start them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.estimate import Estimate
from fleet.estimate.estimating import charges_neighbours
from fleet.estimate.fitting import SHARE, largest, smallest_share
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial

_STEPS = 1000
"""Utilizations are worked out to the thousandth: 0.2 GiB of an MI300X."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the models, with the share it is to be given."""

    model: str
    share: float | None
    """Its utilization; None for an engine that has none."""
    estimate: Estimate
    """With that share, beside what it will find on the GPU."""
    starts: bool
    """Whether it starts there even at the high end of every spread."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Models on one GPU."""

    parts: tuple[Part, ...]
    """In the order to start them, each once the one before it serves."""
    left_bytes: int
    """What all of them leave of the GPU, at their peak and at the high end of every spread; negative where they do
    not fit."""

    @property
    def fits(self) -> bool:
        """Whether every one starts, and all of them at their peak are not more than the GPU."""
        return self.left_bytes >= 0 and all(part.starts for part in self.parts)


def fill(trials: Sequence[Trial]) -> Filling:
    """The smallest share each needs, and an equal part of what is then left.

    Each must start while all the others hold their peak, so that any of them can be restarted alone. Where an engine
    counts its neighbours' memory as its own, its share holds theirs too, and only those started before it count.
    Where they do not fit, the answer tells what is missing with the smallest shares.

    Args:
        trials: The models, on one GPU each and all on the same; what others hold of it is held beside all of them.
    """
    order = sorted(trials, key=_rank)
    even = largest(0, _STEPS, lambda extra: _filled(order, [extra] * len(order)).fits)
    if even is None:
        return _filled(order, [0] * len(order))
    extras = [even] * len(order)
    for position in range(len(order)):
        further = [extra + (place == position) for place, extra in enumerate(extras)]
        if _filled(order, further).fits:
            extras = further
    return _filled(order, extras)


def _rank(trial: Trial) -> tuple[bool, float]:
    """Engines that take what they take first, then the one that needs most: the last finds least."""
    share = _smallest(trial)
    return share is not None, -(share or 0.0)


def _smallest(trial: Trial) -> float | None:
    """The smallest share of a vLLM model; that of other engines is of what is free, not of the GPU."""
    return smallest_share(trial, _STEPS) if trial.model.engine.name == "vllm" else None


def _filled(order: Sequence[Trial], extras: Sequence[int]) -> Filling:
    """Every model with its smallest share and so many thousandths more."""
    placed: list[Trial] = []
    for trial, extra in zip(order, extras, strict=True):
        found = _beside(trial, placed) if _charged(trial) else trial
        share = _smallest(found)
        placed.append(found if share is None else found.given({SHARE["vllm"]: round(share + extra / _STEPS, 3)}))
    settled = [
        trial if _charged(trial) else _beside(trial, placed[:position] + placed[position + 1 :])
        for position, trial in enumerate(placed)
    ]
    parts = tuple(Part(trial.model.name, _share(trial), trial.estimate(), trial.starts()) for trial in settled)
    return Filling(parts, _left(order[0], settled))


def _beside(trial: Trial, others: Sequence[Trial]) -> Trial:
    """The same trial with these on its GPU too, at their peak."""
    return trial.beside(*(held + sum(map(_high, others)) for held in trial.others_bytes))


def _left(first: Trial, settled: Sequence[Trial]) -> int:
    held = first.accelerator.driver_bytes + first.others_bytes[0] + sum(map(_high, settled))
    return first.totals[0] - held


def _high(trial: Trial) -> int:
    return trial.estimate(End.HIGH).shares[0].total_bytes


def _charged(trial: Trial) -> bool:
    return charges_neighbours(trial.model, trial.accelerator)


def _share(trial: Trial) -> float | None:
    return trial.utilization if trial.model.engine.name == "vllm" else None
