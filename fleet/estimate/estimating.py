"""The entry point: what a model takes in its place, and what its engine will say when it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import find
from fleet.estimate import Estimate, GpuShare, Outcome, declared, encoders, exllama, learning, sglang, whisper
from fleet.estimate.llama_cpp import starting as llama_cpp
from fleet.estimate.measured import CONTEXT_FACTOR, End
from fleet.estimate.room import Room
from fleet.estimate.vllm import starting
from fleet.estimate.vllm.budget import requested_bytes
from fleet.estimate.vllm.ranks import Start
from fleet.estimate.vllm.versions import NEWEST, Era, era
from fleet.hardware import Accelerator
from fleet.model import Model, Version
from fleet.startup import ModelStart


def estimate(
    model: Model,
    accelerator: Accelerator,
    *,
    totals: Sequence[int] | None = None,
    others_bytes: Sequence[int] | None = None,
    version: Version | None = None,
    architecture: Architecture | None = None,
    recorded: ModelStart | None = None,
    end: End | None = None,
) -> Estimate:
    """Bytes per GPU of a model in its place, and how its start ends. Pure; the same question is answered once.

    Args:
        model: what is served; a model without a place is reckoned on one GPU.
        accelerator: the kind of its GPUs.
        totals: bytes of each GPU of the place; default the accelerator's.
        others_bytes: bytes other processes hold on each of them, for versions that look; default none.
        version: reckon as if the engine had this version.
        architecture: instead of the one the catalogue has for the model's source.
        recorded: a start of the model, whose measurements stand for reckoned numbers as far as they still hold.
        end: reckon everything at one end of the spreads; default the central numbers, with low and high totals.
    """
    gpus = len(totals) if totals else len(model.place.gpus) if model.place else 1
    question = _Question(
        model if version is None else replace(model, engine=replace(model.engine, version=version)),
        accelerator,
        tuple(totals) if totals else (accelerator.total_bytes,) * gpus,
        tuple(others_bytes) if others_bytes else (0,) * gpus,
        architecture,
        recorded,
    )
    return _spread(question) if end is None else _at(question, end)


_ADAPTS = frozenset({"sglang", "exllamav2"})
"""Engines that take of what is free, so that neighbours leave them less instead of stopping them.

llama.cpp does too, but by moving layers to the host's memory, which is a worse surprise than an over-committed GPU.
"""


def charges_neighbours(model: Model, accelerator: Accelerator, version: Version | None = None) -> bool:
    """Whether what others hold on a GPU changes what the engine takes, so that ``others_bytes`` matters."""
    if model.engine.name in _ADAPTS:
        return True
    return model.engine.name == "vllm" and era_of(model, accelerator, version).charges_neighbours


def utilization(model: Model, accelerator: Accelerator, version: Version | None = None) -> float:
    """The share of a GPU a vLLM model is given, or its version's default."""
    default = era_of(model, accelerator, version).default_utilization
    return model.args.number("gpu-memory-utilization", default)


def free_at_start(accelerator: Accelerator, total: int, others: int, end: End | None = None) -> int:
    """Bytes a process that has just opened a GPU of ``total`` bytes sees free, beside ``others`` bytes of others."""
    context = round(accelerator.context_bytes * CONTEXT_FACTOR.at(end or End.CENTRAL))
    return total - accelerator.driver_bytes - others - context


@dataclass(frozen=True, slots=True)
class _Question:
    model: Model
    accelerator: Accelerator
    totals: tuple[int, ...]
    others: tuple[int, ...]
    architecture: Architecture | None
    recorded: ModelStart | None


@lru_cache(maxsize=16_384)
def _spread(question: _Question) -> Estimate:
    """The central numbers, each share with its total at both ends."""
    central, low, high = _at(question, End.CENTRAL), _shares(question, End.LOW), _shares(question, End.HIGH)
    shares = tuple(
        replace(
            share,
            low_bytes=min(least.total_bytes, share.total_bytes),
            high_bytes=max(most.total_bytes, share.total_bytes),
        )
        for share, least, most in zip(central.shares, low, high, strict=True)
    )
    return replace(central, shares=shares)


def _shares(question: _Question, end: End) -> tuple[GpuShare, ...]:
    """What it takes at one end, without asking what else its engine would say."""
    start = _start(question)
    return starting.shares(start, end) if start else _at(question, end).shares


@lru_cache(maxsize=16_384)
def _at(question: _Question, end: End) -> Estimate:
    model = question.model
    if model.engine.name == "vllm":
        return _vllm(question, end)
    room = Room(question.accelerator, question.totals, question.others, end)
    reckoned = _elsewhere(model, _architecture(question), room)
    recorded = question.recorded
    return learning.as_recorded(reckoned, model, recorded, room) if recorded else reckoned


def _architecture(question: _Question) -> Architecture | None:
    source = question.model.source
    return question.architecture or (find(source) if source else None)


def _elsewhere(model: Model, architecture: Architecture | None, room: Room) -> Estimate:
    """Engines other than vLLM. What was declared holds where an engine can do without its model being known."""
    match model.engine.name:
        case "llama.cpp" if architecture:
            return llama_cpp.estimate(model, architecture, room)
        case "sglang":
            return sglang.estimate(model, architecture, room) if architecture else sglang.budget_only(model, room)
        case "exllamav2" if architecture and not model.memory_bytes:
            return exllama.estimate(model, architecture, room)
        case "text-embeddings-inference" | "infinity" if architecture and not model.memory_bytes:
            return encoders.estimate(model, architecture, room)
        case "whisper" if (size := whisper.size_of(model.source or "")) and not model.memory_bytes:
            return whisper.estimate(model, size, room)
    return declared.estimate(model, room.accelerator, len(room.totals), room.end)


def _vllm(question: _Question, end: End) -> Estimate:
    model, start, recorded = question.model, _start(question), question.recorded
    notes = () if model.engine.version else (f"The version is not given; reckoned as vLLM {NEWEST}.",)
    if start:
        return starting.estimate(model.name, start, end, notes)
    budget = _budget_only(question, end, notes)
    if recorded is None or not learning.is_of(recorded, question.accelerator.name, model.engine.version or NEWEST):
        return budget
    return learning.within_budget(budget, model, recorded, end, era_of(model, question.accelerator).graphs_in_budget)


def _start(question: _Question) -> Start | None:
    """The start that is asked about; None where the engine is not vLLM or the architecture is not known."""
    model, architecture = question.model, _architecture(question)
    if architecture is None or model.engine.name != "vllm":
        return None
    current, accelerator, recorded = era_of(model, question.accelerator), question.accelerator, question.recorded
    if recorded and not learning.is_of(recorded, accelerator.name, model.engine.version or NEWEST):
        recorded = None
    return Start(architecture, model.args, accelerator, current, question.totals, question.others, recorded)


def era_of(model: Model, accelerator: Accelerator, version: Version | None = None) -> Era:
    """The era of a vLLM model's version on that kind of GPU."""
    said = model.args.get("VLLM_USE_V1")
    use_v1 = None if said is None else str(said) not in ("0", "False")
    return era(version or model.engine.version, accelerator.vendor, use_v1)


def _budget_only(question: _Question, end: End, notes: tuple[str, ...]) -> Estimate:
    """An architecture nobody told us: the engine still takes the share it is given, whatever fills it."""
    model, accelerator = question.model, question.accelerator
    current = era_of(model, accelerator)
    share = utilization(model, accelerator)
    context = round(accelerator.context_bytes * CONTEXT_FACTOR.at(end))
    shares = []
    for total in question.totals:
        requested = requested_bytes(total, share, current)
        shares.append(GpuShare(0, requested, 0, 0, context, requested + context, requested + context))
    budget = requested_bytes(question.totals[0], share, current)
    return Estimate(
        model=model.name,
        shares=tuple(shares),
        outcome=Outcome.STARTED,
        budget_bytes=budget,
        needs_free_bytes=budget if current.checks_free_memory else None,
        basis="budget",
        notes=(*notes, f"The architecture of {model.source} is not known; only its share of the GPU is."),
    )
