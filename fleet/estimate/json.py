"""Estimates as JSON: one serializer for every command. Sizes in bytes under keys ending ``_bytes``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.estimate import Estimate, GpuShare
from fleet.estimate.filling import Filling
from fleet.estimate.fitting import Fit
from fleet.estimate.trial import Trial
from fleet.estimate.ways_out import WayOut

_PARTS = ("weights", "kv_cache", "activations", "graphs", "context", "total")


def estimate_json(
    trial: Trial, gpus: Sequence[str], ways_out: Sequence[WayOut], notes: Sequence[str]
) -> dict[str, Any]:
    """The ``gpudeck/estimate/1`` document of one model; ``gpus`` are the names of the GPUs it has."""
    estimate = trial.estimate()
    return {
        "schema": "gpudeck/estimate/1",
        "model": estimate.model,
        "source": trial.model.source,
        "engine": str(trial.model.engine),
        "accelerator": trial.accelerator.name,
        **_said(estimate),
        "per_gpu": [
            _share(gpu, total, share) for gpu, total, share in zip(gpus, trial.totals, estimate.shares, strict=True)
        ],
        **_numbers(estimate),
        "longest_length": estimate.longest_length,
        "budget_bytes": estimate.budget_bytes,
        "needs_free_bytes": estimate.needs_free_bytes,
        "ways_out": [{"summary": way.summary, "set": dict(way.set)} for way in ways_out],
        "basis": estimate.basis,
        "notes": [*estimate.notes, *notes],
    }


def fit_json(fit: Fit) -> dict[str, Any]:
    """What one model can have on its GPUs; null where there is no such thing."""
    return {
        "longest_length": fit.longest_length,
        "length": fit.length,
        "most_sequences": fit.most_sequences,
        "utilization": fit.share,
        "smallest_utilization": fit.smallest_share,
    }


def filling_json(gpu: str, filling: Filling) -> dict[str, Any]:
    """The ``gpudeck/fit/1`` document: several models on one GPU, in the order to start them."""
    return {
        "schema": "gpudeck/fit/1",
        "gpu": gpu,
        "fits": filling.fits,
        "left_bytes": filling.left_bytes,
        "models": [
            {
                "model": part.model,
                "utilization": part.share,
                "starts": part.starts,
                **_said(part.estimate),
                "total_bytes": part.estimate.shares[0].total_bytes,
                "high_bytes": part.estimate.shares[0].high_bytes,
                **_numbers(part.estimate),
            }
            for part in filling.parts
        ],
    }


def _said(estimate: Estimate) -> dict[str, Any]:
    return {
        "outcome": str(estimate.outcome),
        "refusal": estimate.refusal.sentence if estimate.refusal else None,
    }


def _numbers(estimate: Estimate) -> dict[str, Any]:
    concurrency = estimate.max_concurrency
    return {
        "kv_cache_tokens": estimate.kv_cache_tokens,
        "max_concurrency": None if concurrency is None else round(concurrency, 2),
        "max_model_len": estimate.max_model_len,
    }


def _share(gpu: str, total: int, share: GpuShare) -> dict[str, Any]:
    return {
        "gpu": gpu,
        "weights_bytes": share.weights_bytes,
        "kv_cache_bytes": share.kv_cache_bytes,
        "activations_bytes": share.activations_bytes,
        "graphs_bytes": share.graphs_bytes,
        "context_bytes": share.context_bytes,
        "total_bytes": share.total_bytes,
        "low_bytes": share.low_bytes,
        "high_bytes": share.high_bytes,
        "gpu_bytes": total,
        "origins": {part: str(getattr(share.origins, part)) for part in _PARTS},
    }
