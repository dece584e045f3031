"""Single changes after which a model starts: each computed, and each tried at the high end of every spread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType

from fleet.architecture.architecture import Quantization
from fleet.estimate import Reason
from fleet.estimate.fitting import GPU_LACKS, LENGTH, SHARE, largest_share, longest_length, smallest_share
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial
from fleet.hardware import Accelerator, accelerator
from fleet.model import Scalar
from fleet.units import gib_text

_CHUNKED = "enable-chunked-prefill"
_CACHE = "kv-cache-dtype"
_TENSOR, _PIPELINE = "tensor-parallel-size", "pipeline-parallel-size"
_BATCHES = {
    "max-num-batched-tokens": (8192, 4096, 2048, 1024, 512),
    "max-num-seqs": (512, 256, 128, 64, 32, 16, 8, 4, 2, 1),
}
"""Smaller batches to try, by flag: less memory while profiling, less throughput."""
_OFFERED = (
    "L4", "L40S", "A100-40GB", "A100-80GB", "H100", "H200", "B200", "B300",
    "MI210", "MI300X", "MI325X", "MI355X",
)  # fmt: skip
"""The kinds of GPU servers mostly have."""
_WITHOUT_FP8 = ("A", "T4", "V100", "RTX-30", "MI1", "MI2", "MI5", "7900")
"""Beginnings of the names of accelerators without 8-bit floating point: NVIDIA before Ada, AMD before CDNA 3."""
_FOUR_BIT = Quantization("awq", 0.5 + 2.5 / 128)
"""AWQ and GPTQ as published mostly: groups of 128 weights share a 16-bit scale and a 4-bit zero point."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """A change after which the model starts."""

    summary: str
    """A few words: ``max-model-len 33120``."""
    set: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    """The engine's flags with their values, None for one to leave out; ``gpu`` and ``gpus`` are the kind and number
    of GPUs. Empty where only another checkpoint does it."""


def ways_out(trial: Trial, most_gpus: int | None = None) -> tuple[WayOut, ...]:
    """The single changes with which the model starts, from the least loss to the most; none where it does.

    Where no single change is enough, the first of its weights, its cache or its GPUs is changed too.

    Args:
        trial: The model that does not start, or not at the high end of the spread.
        most_gpus: How many GPUs it could have; default as many as it has.
    """
    if trial.starts():
        return ()
    most = len(trial.totals) if most_gpus is None else most_gpus
    return tuple(_single(trial, most)) or tuple(_double(trial, most))


def applied(trial: Trial, changes: Mapping[str, Scalar]) -> Trial:
    """The trial after a way out; a larger parallel group brings the GPUs it needs."""
    flags = {flag: value for flag, value in changes.items() if flag not in ("gpu", "gpus")}
    changed = trial.given(flags)
    kind = accelerator(str(changes["gpu"])) if "gpu" in changes else trial.accelerator
    gpus = int(changes.get("gpus") or len(trial.totals))
    if not {_TENSOR, _PIPELINE}.isdisjoint(flags):
        gpus = max(gpus, changed.model.args.ranks)
    return changed.on(kind, gpus)


def _single(trial: Trial, most_gpus: int) -> Iterator[WayOut]:
    """More of what is there, then less at once, then less for each request, then more hardware, then less exact."""
    refusal = trial.estimate(End.HIGH).refusal
    if refusal and refusal.reason is Reason.CONFIGURATION:
        yield from _own_batch(trial)
        yield from smaller_batch(trial)
        yield from shorter(trial)
        return
    yield from another_share(trial)
    yield from smaller_batch(trial)
    yield from _without_graphs(trial)
    yield from shorter(trial)
    yield from narrower_cache(trial)
    yield from wider(trial, most_gpus)
    yield from lighter_weights(trial)
    yield from another_accelerator(trial)


def another_share(trial: Trial) -> Iterator[WayOut]:
    """The utilization nearest to the one it has."""
    refusal = trial.estimate(End.HIGH).refusal
    too_large = refusal is not None and refusal.reason in GPU_LACKS
    share = largest_share(trial) if too_large else smallest_share(trial)
    if share is not None:
        flag = SHARE[trial.model.engine.name]
        yield WayOut(f"{flag.removeprefix('gpu-memory-')} {share}", MappingProxyType({flag: share}))


def shorter(trial: Trial) -> Iterator[WayOut]:
    """The longest sequence that fits; first with prefill in chunks where that is longer, as V0 does above 32,768."""
    flag = LENGTH.get(trial.model.engine.name)
    if flag is None:
        return
    longest = longest_length(trial)
    if flag == "max-model-len" and _can_chunk(trial):
        further = longest_length(trial.given({_CHUNKED: True}))
        if further and further > (longest or 0):
            yield from _tried(trial, f"{flag} {further} in chunks", {flag: further, _CHUNKED: True})
    if longest:
        yield from _tried(trial, f"{flag} {longest}", {flag: longest})


def smaller_batch(trial: Trial) -> Iterator[WayOut]:
    """The largest batch, by tokens and by sequences, whose profile run leaves enough."""
    if trial.model.engine.name != "vllm":
        return
    for flag, sizes in _BATCHES.items():
        given = trial.model.args.integer(flag, sizes[0] + 1)
        yield from islice(_each(trial, ((f"{flag} {size}", {flag: size}) for size in sizes if size < given)), 1)


def narrower_cache(trial: Trial) -> Iterator[WayOut]:
    """A cache of half the width."""
    match trial.model.engine.name:
        case "vllm" if has_fp8(trial.accelerator) and trial.model.args.text(_CACHE, "auto") == "auto":
            yield from _tried(trial, "fp8 KV", {_CACHE: "fp8"})
        case "llama.cpp" if {"cache-type-k", "cache-type-v"}.isdisjoint(trial.model.args):
            yield from _tried(trial, "q8_0 KV", {"cache-type-k": "q8_0", "cache-type-v": "q8_0"})


def wider(trial: Trial, most_gpus: int) -> Iterator[WayOut]:
    """Another number of GPUs: the smallest tensor parallel size that divides the model, else pipeline stages."""
    if trial.model.engine.name == "llama.cpp":
        more = range(len(trial.totals) + 1, most_gpus + 1)
        yield from islice(_each(trial, ((f"{gpus} GPUs", {"gpus": gpus}) for gpus in more)), 1)
    if trial.model.engine.name not in SHARE:
        return
    tensor, stages = (max(1, trial.model.args.integer(flag, 1)) for flag in (_TENSOR, _PIPELINE))
    others = trial.model.args.ranks // tensor
    sizes = [size for size in range(1, most_gpus // others + 1) if size != tensor and splits(trial, size)]
    sizes.sort(key=lambda size: (size < tensor, abs(size - tensor)))
    depths = range(stages + 1, most_gpus * stages // (tensor * others) + 1)
    plans = [(f"{_TENSOR} {size}", {_TENSOR: size}) for size in sizes]
    plans += [(f"{_PIPELINE} {depth}", {_PIPELINE: depth}) for depth in depths]
    yield from islice(_each(trial, plans), 1)


def lighter_weights(trial: Trial) -> Iterator[WayOut]:
    """8-bit weights, which the engine makes of 16-bit ones as it loads them; else what 4-bit ones would need."""
    architecture = trial.architecture
    unquantised = architecture and architecture.quantization is None and "quantization" not in trial.model.args
    if trial.model.engine.name != "vllm" or architecture is None or not unquantised:
        return
    eight_bit = {"quantization": "fp8"}
    if has_fp8(trial.accelerator) and trial.given(eight_bit).starts():
        yield WayOut("fp8 weights", MappingProxyType(eight_bit))
        return
    four_bit = replace(trial, known=replace(architecture, quantization=_FOUR_BIT))
    if four_bit.starts():
        weights = four_bit.estimate(End.HIGH).shares[0].weights_bytes
        yield WayOut(f"a 4-bit checkpoint of it (AWQ or GPTQ), {gib_text(weights)} of weights")


def another_accelerator(trial: Trial) -> Iterator[WayOut]:
    """The smallest kind of GPU with more memory on which it starts, of its own vendor and of another."""
    own = trial.accelerator
    larger = sorted((accelerator(name) for name in _OFFERED), key=lambda kind: kind.total_bytes)
    number = f"{len(trial.totals)} x " if len(trial.totals) > 1 else ""
    for same_vendor in (True, False):
        plans = (
            (f"{number}{kind.name}", {"gpu": kind.name})
            for kind in larger
            if kind.total_bytes > own.total_bytes and (kind.vendor == own.vendor) is same_vendor
        )
        yield from islice(_each(trial, plans), 1)


def splits(trial: Trial, size: int) -> bool:
    """Whether attention divides over so many GPUs: every rank whole heads, and whole KV heads or one copied."""
    architecture = trial.architecture
    if architecture is None or architecture.heads % size:
        return False
    return bool(architecture.latent) or not (architecture.kv_heads % size and size % architecture.kv_heads)


def _can_chunk(trial: Trial) -> bool:
    architecture = trial.architecture
    return architecture is not None and not (architecture.is_multimodal or architecture.latent)


def has_fp8(accelerator: Accelerator) -> bool:
    """Whether it computes with 8-bit floating point numbers."""
    return not accelerator.name.startswith(_WITHOUT_FP8)


def _double(trial: Trial, most_gpus: int) -> Iterator[WayOut]:
    """A way out after as many GPUs as there are, a narrower cache, or lighter weights."""
    if trial.model.engine.name != "vllm":
        return
    group = max((size for size in range(1, most_gpus + 1) if splits(trial, size)), default=1)
    firsts: list[Mapping[str, Scalar]] = [{_TENSOR: group}]
    if has_fp8(trial.accelerator):
        firsts += [{_CACHE: "fp8"}, {"quantization": "fp8"}]
    for first in firsts:
        second = next((way for way in _single(applied(trial, first), most_gpus) if way.set), None)
        if second:
            (flag, value), *_ = first.items()
            yield WayOut(f"{flag} {value} and {second.summary}", MappingProxyType({**first, **second.set}))


def _own_batch(trial: Trial) -> Iterator[WayOut]:
    """The version's own batch, where the one asked for contradicts the rest."""
    given = [flag for flag in _BATCHES if flag in trial.model.args]
    yield from _each(trial, [(f"{flag} as the version sets it", {flag: None}) for flag in given])


def _without_graphs(trial: Trial) -> Iterator[WayOut]:
    if trial.model.engine.name == "vllm" and not trial.model.args.flag("enforce-eager"):
        yield from _tried(trial, "enforce-eager", {"enforce-eager": True})


def _each(trial: Trial, plans: Iterable[tuple[str, Mapping[str, Scalar]]]) -> Iterator[WayOut]:
    """Of these changes, each with its summary, those with which it starts."""
    for summary, changes in plans:
        yield from _tried(trial, summary, changes)


def _tried(trial: Trial, summary: str, changes: Mapping[str, Scalar]) -> Iterator[WayOut]:
    if applied(trial, changes).starts():
        yield WayOut(summary, MappingProxyType(dict(changes)))
