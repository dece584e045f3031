"""What there is room for as a ``gpudeck/capacity/1`` document. Sizes in bytes."""

from __future__ import annotations

from typing import Any

from fleet.estimate import Estimate
from fleet.findings.json import finding_json
from fleet.hardware import SERVER_GPUS
from fleet.inventory.changes import Move, SetArgument
from fleet.planning.capacity.answer import Addition, Capacity
from fleet.planning.capacity.buying import Offer
from fleet.planning.capacity.spots import Spot
from fleet.planning.rebalance.rebalancing import Proposal


def capacity_json(found: Capacity) -> dict[str, Any]:
    """The whole answer."""
    return {
        "schema": "gpudeck/capacity/1",
        "fleet": found.now.inventory.fleet,
        "gpus": [
            {
                "id": str(gpu),
                "total_bytes": outlook.total_bytes,
                "estimate_bytes": outlook.peak_bytes,
                "free_bytes": max(0, outlook.total_bytes - outlook.peak_bytes),
            }
            for gpu, outlook in found.now.outlooks.items()
        ],
        "models": [_addition(each) for each in found.additions],
        "together": _proposal(found.together) if found.together else None,
    }


def _addition(added: Addition) -> dict[str, Any]:
    return {
        "name": added.model.name,
        "source": added.model.source,
        "engine": str(added.model.engine),
        "args": dict(added.model.args),
        "alone": {"accelerator": added.accelerator, **_alone(added.alone)},
        "now": {
            "copies": added.copies_now,
            "best": str(added.best.place) if added.best else None,
            "places": [_spot(spot) for spot in added.spots],
            "findings": [finding_json(finding) for finding in added.findings],
        },
        "first": _proposal(added.proposal) if added.proposal else None,
        "rebalanced": {
            "copies": added.most.copies,
            **(_proposal(added.most.proposal) if added.most.proposal else {}),
        },
        "instead": {
            "place": str(added.instead.place),
            "stopped": list(added.instead.stopped),
            "roles": list(added.instead.roles),
        } if added.instead else None,
        "ways_out": [{"summary": way.summary, "set": dict(way.set)} for way in added.ways_out],
        "servers": [_offer(offer) for offer in added.offers],
    }  # fmt: skip


def _alone(alone: Estimate) -> dict[str, Any]:
    return {
        "outcome": str(alone.outcome),
        "refusal": alone.refusal.sentence if alone.refusal else None,
        "gpus": len(alone.shares),
        "per_gpu_bytes": [share.total_bytes for share in alone.shares],
        "kv_cache_tokens": alone.kv_cache_tokens,
        "max_concurrency": alone.max_concurrency,
    }


def _spot(spot: Spot) -> dict[str, Any]:
    verdict = spot.verdict
    size = "free_bytes" if verdict.possible else "short_bytes"
    return {"place": str(spot.place), "fit": str(verdict.fit), "copies": spot.copies, size: verdict.size_bytes}


def _proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "summary": proposal.summary,
        "restarts": proposal.restarts,
        "proved": proposal.proved,
        "unplaced": list(proposal.unplaced),
        "moves": [{"model": c.model, "place": str(c.place)} for c in proposal.changes if isinstance(c, Move)],
        "set": [
            {"model": c.model, "argument": c.flag, "value": c.value}
            for c in proposal.changes
            if isinstance(c, SetArgument)
        ],
        "reasons": dict(proposal.reasons),
    }


def _offer(offer: Offer) -> dict[str, Any]:
    kind = offer.accelerator
    return {
        "accelerator": kind.name,
        "gpus": SERVER_GPUS,
        "memory_bytes": kind.total_bytes,
        "bandwidth_bytes_per_second": kind.bandwidth,
        "gpu_power_watts": offer.power_watts,
        "gpus_each": offer.gpus_each,
        "copies": offer.copies,
        "kv_cache_tokens": offer.kv_tokens,
        "sequences": offer.sequences,
        "tokens_per_second": [offer.speed.low, offer.speed.high] if offer.speed else None,
    }
