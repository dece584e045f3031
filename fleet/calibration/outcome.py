"""A prediction and what came of it: one start on one GPU, as a record keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleet.estimate import Estimate, GpuShare
from fleet.model import GpuId, Model
from fleet.startup import Ending, ModelStart, RankStart


@dataclass(frozen=True, slots=True)
class StartOutcome:
    """One start of a model on one of its GPUs: what was reckoned, and what came. Sizes in bytes by part."""

    model: str
    gpu: GpuId
    build: str
    """The engine's name, and its version as it prints it."""
    arguments: str
    """A digest of the arguments it was started with."""
    accelerator: str
    outcome: str
    """``started``, ``refused``, ``oom``, or ``failed`` where it does not say why it ended."""
    sentence: str
    """The engine's own words where it did not start."""
    predicted: Mapping[str, int]
    """``weights``, ``kv_cache``, ``activations``, ``graphs`` and ``context`` of the estimate."""
    measured: Mapping[str, int]
    """Those of them that the engine printed."""
    alone: bool
    """Whether nobody else changed the GPU's memory while it measured."""
    began: float | None
    """Seconds since the host's boot; None where its lines carry no time."""
    seconds: float | None
    """From its first line to the one that says it serves; None where none did."""


def outcomes(model: Model, start: ModelStart, predicted: Estimate) -> Iterator[StartOutcome]:
    """What came of a prediction, for each GPU of the model's place.

    ``predicted`` is the estimate before the start: one that has not learned from it. A rank is its GPU's where every
    rank was told apart, else nothing is said to be measured.
    """
    startup, place = start.startup, model.place
    if place is None:
        return
    ranks: tuple[RankStart | None, ...] = startup.ranks
    if len(ranks) != len(predicted.shares):
        ranks = (None,) * len(predicted.shares)
    for gpu, share, rank in zip(place.gpu_ids, predicted.shares, ranks, strict=True):
        yield StartOutcome(
            model=model.name,
            gpu=gpu,
            build=f"{startup.engine} {startup.build}".strip(),
            arguments=start.digest,
            accelerator=start.accelerator,
            outcome="failed" if startup.ending is Ending.UNFINISHED else str(startup.ending),
            sentence=startup.sentence,
            predicted=_predicted(share),
            measured=_measured(rank),
            alone=not start.company and not startup.disturbed,
            began=startup.began,
            seconds=startup.seconds if startup.ending is Ending.STARTED else None,
        )


def _predicted(share: GpuShare) -> Mapping[str, int]:
    return MappingProxyType(
        {
            "weights": share.weights_bytes,
            "kv_cache": share.kv_cache_bytes,
            "activations": share.activations_bytes,
            "graphs": share.graphs_bytes,
            "context": share.context_bytes,
        }
    )


def _measured(rank: RankStart | None) -> Mapping[str, int]:
    if rank is None:
        return MappingProxyType({})
    sizes = {
        "weights": rank.weights,
        "kv_cache": rank.cache,
        "activations": rank.activations,
        "graphs": rank.graphs,
        "non_torch": rank.non_torch,
    }
    return MappingProxyType({part: size.bytes for part, size in sizes.items() if size is not None})
