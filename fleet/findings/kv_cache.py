"""KV001 and KV002: the cache is too small for one sequence, or there is none."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.estimate import Estimate, Reason
from fleet.estimate.measured import End
from fleet.estimate.ways_out import WayOut, another_share, narrower_cache, shorter
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.inventory.changes import SetArgument
from fleet.model import Model
from fleet.units import count, gib_text


def find(placement: Placement) -> Iterator[Finding]:
    """Models whose engine would refuse for want of cache, or might at the high end of the spread."""
    for model in placement.inventory.placed:
        estimate = placement.estimates[model.name]
        reason = estimate.refusal.reason if estimate.refusal else None
        if reason is Reason.SEQUENCE_TOO_LONG:
            yield _too_long(placement, model, estimate, Severity.ERROR)
        elif reason is Reason.NO_CACHE_MEMORY:
            yield _no_memory(placement, model, estimate)
        elif reason is None and placement.end is None and estimate.max_concurrency is not None:
            worst = placement.reckon(model, End.HIGH)
            if worst.refusal and worst.refusal.reason is Reason.SEQUENCE_TOO_LONG:
                yield _too_long(placement, model, worst, Severity.WARNING)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """A shorter length, a larger share, a cache of half the width; neighbours are the verification's concern."""
    model = placement.model(finding.model)
    trial = placement.trial(model)
    kinds = (another_share, narrower_cache)
    for ways in (shorter, *kinds) if finding.code == "KV001" else kinds:
        yield tuple(_fix(model, way) for way in ways(trial))


def _fix(model: Model, way: WayOut) -> Fix:
    return Fix(way.summary, tuple(SetArgument(model.name, flag, value) for flag, value in way.set.items()))


def _too_long(placement: Placement, model: Model, estimate: Estimate, severity: Severity) -> Finding:
    assert estimate.refusal is not None, "only a refused start is too long"
    length, tokens = estimate.max_model_len or 0, estimate.kv_cache_tokens or 0
    sentence, verb = estimate.refusal.sentence, "exceeds"
    if severity is Severity.WARNING:
        verb = "may exceed"
        sentence = f"By the central estimate {model.name} starts; at the high end it says: {sentence}"
    return Finding(
        code="KV001",
        severity=severity,
        tense=placement.tense,
        message=sentence,
        headline=f"max seq len {count(length)} {verb} the KV cache: {count(tokens)} tokens fit",
        model=model.name,
        gpu=placement.only_gpu(model),
        numbers=MappingProxyType(
            {
                "max_model_len": length,
                "kv_cache_tokens": tokens,
                "longest_length": estimate.longest_length or 0,
                "kv_cache_bytes": estimate.shares[0].kv_cache_bytes,
            }
        ),
    )


def _no_memory(placement: Placement, model: Model, estimate: Estimate) -> Finding:
    assert estimate.refusal is not None, "only a refused start has no memory"
    share, budget = estimate.shares[0], estimate.budget_bytes or 0
    needed = share.weights_bytes + share.activations_bytes
    return Finding(
        code="KV002",
        severity=Severity.ERROR,
        tense=placement.tense,
        message=estimate.refusal.sentence,
        headline=f"no memory for the KV cache: its share is {gib_text(budget)}, weights and peak take "
        f"{gib_text(needed)}",
        model=model.name,
        gpu=placement.only_gpu(model),
        numbers=MappingProxyType(
            {
                "budget_bytes": budget,
                "weights_bytes": share.weights_bytes,
                "activations_bytes": share.activations_bytes,
            }
        ),
    )
