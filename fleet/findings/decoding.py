"""PERF001: models that write text on one GPU share its bandwidth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import MappingProxyType

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find as find_architecture
from fleet.estimate.speed import Decoding, Speed, decode, share
from fleet.findings import Finding, Severity
from fleet.findings.placement import Placement
from fleet.hardware import Accelerator
from fleet.model import Model

_GENERATING = ("vllm", "sglang", "llama.cpp", "exllamav2")


def find(placement: Placement) -> Iterator[Finding]:
    """GPUs on which two or more models generate text, with what each does alone and beside the others."""
    for gpu in placement.outlooks:
        models = [model for model in placement.on(gpu) if generates(model)]
        if len(models) < 2:
            continue
        alone = tuple(_alone(model, placement.accelerator_of(model)) for model in models)
        together = _together(alone)
        words = ", ".join(
            f"{model.name} {_range(by_itself)} tokens/s alone, {_range(shared)} beside"
            for model, by_itself, shared in zip(models, alone, together, strict=True)
        )
        yield Finding(
            code="PERF001",
            severity=Severity.INFO,
            tense=placement.tense,
            message=f"{words}; one sequence each, bound by memory bandwidth.",
            headline=f"{len(models)} models that generate share its bandwidth: {words}",
            gpu=gpu,
            numbers=MappingProxyType(
                {
                    f"{model.name}_tokens_per_second": round(shared.low, 1)
                    for model, shared in zip(models, together, strict=True)
                }
            ),
        )


def generates(model: Model) -> bool:
    """Whether a model writes text, token by token, as far as we know it."""
    known = find_architecture(model.source) if model.source and model.engine.name in _GENERATING else None
    return known is not None and known.generates and known.has_head


def _alone(model: Model, accelerator: Accelerator) -> Speed:
    known = find_architecture(model.source or "")
    assert known is not None, "only known models come here"
    return _decoded(known, accelerator, max(1, model.args.integer("tensor-parallel-size", 1)))


@lru_cache(maxsize=1024)
def _decoded(architecture: Architecture, accelerator: Accelerator, gpus: int) -> Speed:
    return decode(architecture, accelerator, Decoding(tensor_parallel=gpus))


@lru_cache(maxsize=4096)
def _together(alone: tuple[Speed, ...]) -> tuple[Speed, ...]:
    return share(alone)


def _range(speed: Speed) -> str:
    return f"{speed.low:.0f} to {speed.high:.0f}"
