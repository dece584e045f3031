"""KV001 and KV002: the cache is too small for one sequence, or there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from fleet.architecture.catalogue import find as find_architecture
from fleet.estimate import Estimate, Reason
from fleet.estimate.measured import End
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.findings.shares import FLAG, sufficient
from fleet.inventory.changes import SetArgument
from fleet.model import Model
from fleet.units import count, gib_text

_CHUNKED = "enable-chunked-prefill"


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
    """A shorter length, a larger share, a cache of half the width."""
    model = placement.model(finding.model)
    if finding.code == "KV001":
        yield _shorter(placement, model)
    share = sufficient(placement, model)
    if share is not None:
        yield (Fix(f"utilization {share}", (SetArgument(model.name, FLAG, share),)),)
    architecture = find_architecture(model.source) if model.source else None
    if model.args.text("kv-cache-dtype", "auto") == "auto" and architecture and not architecture.latent:
        yield (Fix("fp8 KV", (SetArgument(model.name, "kv-cache-dtype", "fp8"),)),)


def _shorter(placement: Placement, model: Model) -> tuple[Fix, ...]:
    """The longest length that fits, at best with prefill in chunks, which V0 gives up at 32768 tokens."""
    longest = placement.reckon(model, End.HIGH).longest_length
    chunked = replace(model, args=model.args.replace(_CHUNKED, True))
    further = placement.reckon(chunked, End.HIGH).longest_length
    fixes = []
    if further and longest is not None and further > longest and _can_chunk(model):
        changes = (SetArgument(model.name, "max-model-len", further), SetArgument(model.name, _CHUNKED, True))
        fixes.append(Fix(f"max-model-len {further} in chunks", changes))
    if longest:
        change = SetArgument(model.name, "max-model-len", longest)
        fixes.append(Fix(f"max-model-len {longest}", (change,)))
    return tuple(fixes)


def _can_chunk(model: Model) -> bool:
    architecture = find_architecture(model.source) if model.source else None
    return architecture is not None and not (architecture.is_multimodal or architecture.latent)


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
