"""LIVE001: live memory that is neither what the model's own start measured nor what may come to it under load."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.estimate import GpuShare
from fleet.findings import Finding, Severity, Tense
from fleet.live.drift import differences
from fleet.model import GpuId
from fleet.state import FleetState, ModelState, ModelWord
from fleet.units import GiB, gib, gib_text

SLACK = GiB // 2
"""What an engine counts twice (vLLM 0.7 to 0.20 on ROCm, up to 0.42 GiB), and page tables and code objects."""


def find(state: FleetState) -> Iterator[Finding]:
    """Models that serve, whose estimate learned from their start, and that hold more or less than it allows.

    What runs otherwise than the fleet file says is not what is estimated, and has a finding of its own.
    """
    for model in state.models:
        estimate, place = model.estimate, model.model.place
        if model.word is not ModelWord.SERVING or model.start is None or place is None:
            continue
        if estimate is None or estimate.basis != "calibrated":
            continue
        for gpu, share in zip(place.gpu_ids, estimate.shares, strict=True):
            live = model.used_by_gpu.get(gpu)
            low, high = share.least_bytes, share.high_bytes
            apart = live is not None and not low - SLACK <= live <= high + SLACK
            if live is not None and apart and not differences(model.model, model.start):
                yield _finding(model, gpu, share, live)


def _finding(model: ModelState, gpu: GpuId, share: GpuShare, live: int) -> Finding:
    low, high = share.least_bytes, share.high_bytes
    apart, part = (live - high, "beside weights, cache and graphs") if live > high else (live - low, _gone(share, live))
    more = f"{gib_text(abs(apart))} {'more' if apart > 0 else 'less'}"
    expected = f"{gib(low)} to {gib_text(high)}"
    return Finding(
        code="LIVE001",
        severity=Severity.WARNING,
        tense=Tense.NOW,
        message=(
            f"{model.name} holds {gib_text(live)} on {gpu}, where its own start makes {expected}: {more}, {part}."
        ),
        headline=f"holds {gib_text(live)} of {expected}: {more}, {part}",
        model=model.name,
        gpu=gpu,
        numbers=MappingProxyType({"live_bytes": live, "low_bytes": low, "high_bytes": high, "apart_bytes": apart}),
    )


def _gone(share: GpuShare, live: int) -> str:
    """Which part is as large as what is missing."""
    missing = share.resident_bytes - live
    parts = {
        "its KV cache": share.kv_cache_bytes,
        "its weights": share.weights_bytes,
        "weights and cache": share.weights_bytes + share.kv_cache_bytes,
        "its graphs": share.graphs_bytes,
    }
    nearest = min(parts, key=lambda part: abs(parts[part] - missing))
    return f"about {nearest}" if abs(parts[nearest] - missing) <= SLACK else "no single part of it"
