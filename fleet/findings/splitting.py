"""PAR003 and PAR004: what splitting a model costs beyond its size."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.architecture.catalogue import find as find_architecture
from fleet.findings import Finding, Severity
from fleet.findings.placement import Placement
from fleet.units import gib_text


def find(placement: Placement) -> Iterator[Finding]:
    """Models whose KV heads are copied to several GPUs, and those whose pipeline stages are unlike."""
    for model in placement.inventory.placed:
        known = find_architecture(model.source) if model.source and model.engine.name == "vllm" else None
        if known is None or placement.estimates[model.name].refusal is not None:
            continue
        size, stages = (max(1, model.args.integer(f"{kind}-parallel-size", 1)) for kind in ("tensor", "pipeline"))
        if known.latent is None and size > known.kv_heads:
            copies = size // known.kv_heads
            cached = sum(share.kv_cache_bytes for share in placement.estimates[model.name].shares)
            lost = cached - cached // copies
            words = (
                f"{known.kv_heads} KV heads over {size} GPUs: each is kept {copies} times, {gib_text(lost)} of copies"
            )
            yield placement.finding("PAR003", Severity.INFO, model, words, copies_bytes=lost)
        if known.latent is not None and size > 1:
            cached = sum(share.kv_cache_bytes for share in placement.estimates[model.name].shares)
            lost = cached - cached // size
            words = f"its latent cache is kept whole by each of {size} GPUs, {gib_text(lost)} of copies"
            yield placement.finding("PAR003", Severity.INFO, model, words, copies_bytes=lost)
        if stages > 1 and known.layers % stages:
            words = f"{known.layers} layers over {stages} stages: the fullest stage sizes the cache of all"
            yield placement.finding("PAR004", Severity.INFO, model, words)
